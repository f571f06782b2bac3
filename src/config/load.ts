/** From a YAML file to a Config, or to all that is wrong with it, each with its line and column. */
// Everything that reads a configuration comes through here; what it gives needs no second look.

import { access, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Document, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { problemsOf, remarksOn } from "./checks.ts";
import { type Config, complete } from "./config.ts";
import { describedAt, keysAt } from "./describe.ts";
import { ConfigError } from "./error.ts";
import { shown } from "./fields.ts";
import { filesWrong } from "./files.ts";
import { unknownKey, wrongWord } from "./hints.ts";
import { keysOf, type Problem, tell } from "./problems.ts";
import { type Settings, settingsIn } from "./schema.ts";

/** The configuration, with every file that it names there and readable. @throws ConfigError */
export async function loadConfig(path?: string): Promise<Config> {
  const read = await readSource(path);
  const missing = await filesWrong(read.config);
  if (missing.length > 0) throw new ConfigError(tell(missing, read.name, read.source));
  return read.config;
}

/** The configuration alone, for those who need none of the files that it names. @throws ConfigError */
export async function readConfig(path?: string): Promise<Config> {
  return (await readSource(path)).config;
}

/** What works and is seldom meant, one line each. */
export async function configRemarks(path?: string): Promise<readonly string[]> {
  const { name, source, settings } = await readSource(path);
  return tell(remarksOn(settings), name, source);
}

/** A configuration from its text. @param file where it stands: relative file names start there @throws ConfigError */
export function parseConfig(text: string, file: string): Config {
  return complete(check(parseYaml(text, file), file, file), resolve(file));
}

/** Where a configuration is looked for, in this order. */
export function configPlaces(
  env: Readonly<Partial<Record<string, string>>> = process.env,
): readonly string[] {
  const own = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), ".config");
  return ["./odmr.yaml", join(own, "odmr", "odmr.yaml"), "/etc/odmr/odmr.yaml"];
}

interface Source {
  readonly document: Document;
  readonly lines: LineCounter;
}

async function readSource(path: string | undefined) {
  const name = path ?? (await firstPlace());
  const source = parseYaml(await readText(name), name);
  const settings = check(source, resolve(name), name);
  return { name, source, settings, config: complete(settings, resolve(name)) };
}

async function firstPlace(): Promise<string> {
  const places = configPlaces();
  for (const place of places) if (await isThere(place)) return place;
  throw new ConfigError(
    `no configuration: looked for ${places.join(", ")}; write one with odmr init, or name one with --config`,
  );
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "does not exist; write one with odmr init" : `cannot be read (${code})`;
    throw new ConfigError(`${file}: ${why}`, { cause });
  }
}

function parseYaml(text: string, name: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = [...document.errors, ...document.warnings];
  if (broken.length === 0) return { document, lines };
  throw new ConfigError(
    broken.map(({ pos: [offset], message }) => {
      const { line, col } = lines.linePos(offset);
      return `${name}:${line}:${col}: this is no YAML: ${message}`;
    }),
  );
}

function check(source: Source, file: string, name: string): Settings {
  const result = settingsIn(dirname(resolve(file))).safeParse(dataOf(source, name), { error: messageOf });
  const problems = result.success ? problemsOf(result.data) : result.error.issues.flatMap(toProblems);
  if (!result.success || problems.length > 0) throw new ConfigError(tell(problems, name, source));
  return result.data;
}

/** The plain values; an alias that leads nowhere, or to too much, comes to light only here. */
function dataOf({ document }: Source, name: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`${name}: this is no YAML: ${why}`, { cause });
  }
}

function toProblems(issue: z.core.$ZodIssue): readonly Problem[] {
  const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message }];
  const known = keysAt(keysOf(path));
  return issue.keys.map((key) => ({
    path: [...path, key],
    of: "key",
    message: unknownKey(keysOf([...path, key]), known),
  }));
}

/** What a kind of value is called, and how it is written. */
const kinds: Readonly<Record<string, string>> = {
  string: "a text; write it in quotes",
  number: "a number; write 100, without quotes",
  int: "a whole number; write 100, without quotes",
  boolean: "true or false; write one of them, without quotes",
  array: "a list; write [one, two]",
  object: "a group of keys; write { key: value }",
};

/** What to say where a field has no words of its own. */
function messageOf({ code, input, path = [], ...issue }: z.core.$ZodRawIssue): string | undefined {
  if (input === undefined && (code === "invalid_type" || code === "invalid_value")) return missing(path);
  if (code === "invalid_type") return `${shown(input)} is not ${kinds[String(issue.expected)]}`;
  if (code === "invalid_value")
    return wrongWord(String(input), (issue.values as readonly unknown[]).map(String));
  return undefined;
}

function missing(path: readonly PropertyKey[]): string {
  const about = describedAt(path.filter((step) => typeof step === "string"))?.description;
  return about === undefined ? "it is missing; write it" : `it is missing; write it. ${about}`;
}
