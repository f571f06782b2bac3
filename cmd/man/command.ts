/** The manual page of a command, from what `--help` says of it. */
// Usage, options and examples are the command's own; nothing is written a second time here.

import { type Command, type RouteMap, text_en } from "@stricli/core";
import type { Context } from "../flags.ts";
import { item, prose, section, subsection, verbatim } from "./roff.ts";

type Target = Command<Context> | RouteMap<Context>;
/** The words that call it: ["odmr", "queue", "list"]. */
type Prefix = readonly string[];

/** All that follows NAME. */
export function pageOf(target: Target, prefix: Prefix): string {
  const { text, examples } = partsOf(target.fullDescription ?? target.brief);
  return (
    section("SYNOPSIS", synopses(target, prefix)) +
    section("DESCRIPTION", prose(text)) +
    ("parameters" in target
      ? section("OPTIONS", options(target))
      : section(
          "COMMANDS",
          commandsOf(target)
            .map(([name, inner]) => subsection(name, act(inner)))
            .join(""),
        )) +
    section("EXAMPLES", verbatim(examples))
  );
}

const commandsOf = (map: RouteMap<Context>): readonly (readonly [string, Target])[] =>
  map
    .getAllEntries()
    .filter(({ hidden }) => !hidden)
    .map(({ name, target }) => [name["convert-camel-to-kebab"], target]);

const synopses = (target: Target, prefix: Prefix): string =>
  "parameters" in target
    ? synopsis(target, prefix)
    : commandsOf(target)
        .map(([name, inner]) => synopsis(inner, [...prefix, name]))
        .join("");

function act(target: Target): string {
  const { text, examples } = partsOf(target.fullDescription ?? "");
  const said = prose(text === "" ? `${target.brief}.` : `${target.brief}. ${text}`);
  const flags = "parameters" in target ? options(target) : "";
  return said + verbatim(examples) + flags;
}

/** helpText() puts the examples last. */
function partsOf(description: string): { readonly text: string; readonly examples: readonly string[] } {
  const [text = "", examples = ""] = description.split(/(?:^|\n\n)Examples:\n/);
  const lines = examples.split("\n").filter((line) => line !== "");
  return { text, examples: lines.flatMap(exampleOf) };
}

/** What an example does goes on a line of its own: a page is narrow. */
function exampleOf(line: string): readonly string[] {
  const [, command = line, does] = /^ *(.*?)\s+# (.*)$/.exec(line) ?? [];
  return does === undefined ? [command.trim()] : [`# ${does}`, command.trim()];
}

/** The lines of USAGE, but for --help's own. */
function synopsis(target: Target, prefix: Prefix): string {
  const help = target.formatHelp({
    prefix,
    config: {
      ...{ useAliasInUsageLine: false, onlyRequiredInUsageLine: true, alwaysShowHelpAllFlag: false },
      ...{ caseStyle: "convert-camel-to-kebab", disableAnsiColor: true },
    },
    ...{ text: text_en, ansiColor: false, additionalFlags: [] },
    ...{ includeArgumentEscapeSequenceFlag: false, includeHidden: false },
  } as Parameters<Target["formatHelp"]>[0]);
  const usage = /^USAGE\n((?: .*\n?)+)/.exec(help)?.[1] ?? "";
  return verbatim(
    usage
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.endsWith("--help")),
  );
}

function options({ parameters }: Command<Context>): string {
  const flags = Object.entries(parameters.flags ?? {}).map(([name, flag]) => {
    const word = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (flag.kind === "enum") {
      const usual = flag.default === undefined ? "" : ` The default is ${String(flag.default)}.`;
      return item(`${word} ${flag.values.join("|")}`, `${flag.brief}.${usual}`);
    }
    const value = flag.kind === "parsed" || flag.kind === "counter" ? ` ${placeholderOf(flag)}` : "";
    return item(`${word}${value}`, `${flag.brief}.`);
  });
  return [...flags, ...words(parameters.positional)].join("");
}

const placeholderOf = (flag: object): string =>
  "placeholder" in flag && typeof flag.placeholder === "string" ? flag.placeholder : "VALUE";

function words(positional: Command<Context>["parameters"]["positional"]): readonly string[] {
  if (positional === undefined) return [];
  const all = positional.kind === "array" ? [positional.parameter] : (positional.parameters ?? []);
  return all.map((each) => item(each.placeholder ?? "WORD", `${each.brief}.`));
}
