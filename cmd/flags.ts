/** What every command shares: its context, the options that work everywhere, and the shape of its help. */
// A command spreads `commonFlags` into its own flags; nothing heavy is imported here, for this file is always loaded.

import type { CommandContext, FlagParametersForType, StricliProcess } from "@stricli/core";
import type { Level } from "../src/platform/log.ts";

/**
 * What a command sees of the outside as `this`. Results go to `process.stdout`, everything else to `process.stderr`.
 * A status other than 0 without a message: set `this.process.exitCode`; with one: throw (cmd/exit.ts).
 */
export interface Context extends CommandContext {
  readonly process: StricliProcess;
}

export interface CommonFlags {
  readonly config?: string;
  readonly log: "text" | "json";
  readonly logLevel: Level;
}

const text = (value: string): string => value;

export const configFlag = {
  kind: "parsed",
  parse: text,
  optional: true,
  brief: "The configuration file (else ./odmr.yaml, the user's configuration folder, /etc/odmr/odmr.yaml)",
  placeholder: "FILE",
} as const;

export const commonFlags: FlagParametersForType<CommonFlags, Context> = {
  config: configFlag,
  log: { kind: "enum", values: ["text", "json"], default: "text", brief: "How log lines look, on stderr" },
  logLevel: {
    kind: "enum",
    values: ["debug", "info", "warn", "error"],
    default: "info",
    brief: "The least level that is logged",
  },
};

/** A flag that takes a value as it is, such as a file name. */
export function textFlag<const P extends string>(placeholder: P, brief: string) {
  return { kind: "parsed", parse: text, optional: true, placeholder, brief } as const;
}

/** A flag that is there or not; there is no `--no-…` form of it. */
export function switchFlag(brief: string) {
  return { kind: "boolean", default: false, withNegated: false, brief } as const;
}

/** An optional word after the command, taken as it is. */
export function textArgument<const P extends string>(placeholder: P, brief: string) {
  return { parse: text, optional: true, placeholder, brief } as const;
}

const LONG = 64;

/** The long text of `--help`: what the command does, then examples that can be pasted. */
export function helpText(text: string, examples: Readonly<Record<string, string>>): string {
  // A long one does not push the words behind the others out of sight.
  const width = Math.max(...Object.keys(examples).map(({ length }) => (length > LONG ? 0 : length)));
  const lines = Object.entries(examples).map(([command, does]) => `  ${command.padEnd(width)}  # ${does}`);
  return `${text}\n\nExamples:\n${lines.join("\n")}`;
}
