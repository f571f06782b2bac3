/** YAML as it stands in a file, read by a schema: the values, or all that is wrong, each with its line and column. */
// A schema speaks of values; what a user needs to know besides is where they stand and what may stand there.

import { type Document, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { describedAt, keysAt } from "./describe.ts";
import { ConfigError } from "./error.ts";
import { unknownKey, wrongWord } from "./hints.ts";
import { keysOf, type Problem, tell } from "./problems.ts";
import { shown } from "./shown.ts";

/** A file that was read, and what its lines are. */
export interface Source {
  /** As it is called in messages. */
  readonly name: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** @throws ConfigError */
export function parseYaml(text: string, name: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = [...document.errors, ...document.warnings];
  if (broken.length === 0) return { name, document, lines };
  throw new ConfigError(
    broken.map(({ pos: [offset], message }) => {
      const { line, col } = lines.linePos(offset);
      return `${name}:${line}:${col}: this is no YAML: ${withoutWord(message)}`;
    }),
  );
}

/**
 * What a file says, by its schema. @throws ConfigError
 * @param under the keys that the file's own stand under in a configuration: none for a whole one
 */
export function valuesOf<S extends z.ZodType>(
  source: Source,
  schema: S,
  under: readonly string[] = [],
): z.output<S> {
  const result = schema.safeParse(dataOf(source), { error: (issue) => messageOf(issue, under) });
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => toProblems(issue, under));
  throw new ConfigError(tell(problems, source.name, source));
}

/** The plain values; an alias that leads nowhere, or to too much, comes to light only here. */
function dataOf({ document, name }: Source): unknown {
  try {
    return document.toJS() ?? {};
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`${name}: this is no YAML: ${withoutWord(why)}`);
  }
}

/** A password that begins with ! or * is taken for a tag or an alias, and would be repeated. */
const withoutWord = (message: string): string => message.replace(/^(Unresolved [^:]*):.*$/s, "$1");

function toProblems(issue: z.core.$ZodIssue, under: readonly string[]): readonly Problem[] {
  const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
  if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message }];
  const known = keysAt([...under, ...keysOf(path)]);
  return issue.keys.map((key) => ({
    path: [...path, key],
    of: "key",
    message: unknownKey([...under, ...keysOf([...path, key])], known),
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
function messageOf(
  { code, input, path = [], ...issue }: z.core.$ZodRawIssue,
  under: readonly string[],
): string | undefined {
  if (input === undefined && (code === "invalid_type" || code === "invalid_value"))
    return missing([...under, ...path]);
  if (code === "invalid_type") return `${shown(input)} is not ${kinds[String(issue.expected)]}`;
  if (code === "invalid_value")
    return wrongWord(String(input), (issue.values as readonly unknown[]).map(String));
  return undefined;
}

function missing(path: readonly PropertyKey[]): string {
  const about = describedAt(path.filter((step) => typeof step === "string"))?.description;
  return about === undefined ? "it is missing; write it" : `it is missing; write it. ${about}`;
}
