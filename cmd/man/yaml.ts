/** The manual page of the configuration: every key of the schema, what it takes, its default, its sentence. */

import type { Described } from "../../src/config/describe.ts";
import { indented, item, prose, section, subsection, verbatim } from "./roff.ts";

/** A part of the JSON Schema, with what only a reader of the page asks. */
interface Key extends Described {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Key>>;
  readonly items?: Key;
  readonly anyOf?: readonly Key[];
}

/** @param places where the file is looked for */
export function configPage(root: Key, places: readonly string[]): string {
  const { properties = {} } = root;
  const groups = Object.entries(properties).filter(([, key]) => groupIn(key) !== undefined);
  const single = Object.entries(properties).filter(([, key]) => groupIn(key) === undefined);
  return (
    section("DESCRIPTION", prose(intro) + verbatim(places)) +
    section(
      "KEYS",
      single.map(([name, key]) => keyItem(name, key, root)).join("") +
        groups.map(([name, key]) => subsection(`${name}:`, prose(said(key)) + keysOf(key))).join(""),
    )
  );
}

const intro =
  "odmr.yaml says who this host is, where it keeps mail, and what odmr serve and odmr pull do. Names of files are " +
  "relative to the file's own folder. Durations are written 30s, 15m, 4h, 30d; sizes 512KiB, 50MiB, 2GiB. Unknown " +
  "keys are errors. odmr init writes a commented file, and odmr check says what is wrong with one, with line and " +
  "column.\n\nThe first of these is taken, unless --config names one:";

const keysOf = (key: Key): string => {
  const group = groupIn(key);
  return Object.entries(group?.properties ?? {})
    .map(([name, each]) => keyItem(name, each, group ?? key))
    .join("");
};

const keyItem = (name: string, key: Key, parent: Key): string =>
  item(`${name}: ${kindOf(key)}`, `${said(key)}${need(name, key, parent)}`.trim() || "See below.") +
  indented(keysOf(key));

const said = ({ description = "" }: Key): string => description;

function need(name: string, { default: usual }: Key, { required = [] }: Key): string {
  if (required.includes(name)) return " It must be there.";
  const plain = ["string", "number", "boolean"].includes(typeof usual);
  return plain ? ` The default is ${String(usual)}.` : "";
}

/** The part that has keys: a list's elements, or one form of several. */
function groupIn(key: Key): Key | undefined {
  if (key.items !== undefined) return groupIn(key.items);
  return key.properties === undefined ? key.anyOf?.map(groupIn).find((each) => each !== undefined) : key;
}

function kindOf(key: Key): string {
  if (key.const !== undefined) return String(key.const);
  if (key.enum !== undefined) return key.enum.join("|");
  if (key.anyOf !== undefined) return [...new Set(key.anyOf.map(kindOf))].join("|");
  if (key.type === "array") return `[${key.items === undefined ? "…" : kindOf(key.items)}, …]`;
  return (key.type && kinds[key.type]) ?? "text";
}

const kinds: Readonly<Record<string, string>> = {
  string: "text",
  number: "number",
  integer: "number",
  boolean: "true|false",
  object: "{…}",
};
