#!/usr/bin/env bun
/** The program: reads the command line, runs the command, and ends with its status. */
// `odmr --version` and wrong command lines load nothing but this, commands.ts and what they import.

import { basename } from "node:path";
import {
  buildApplication,
  help,
  run,
  type StricliProcess,
  text_en,
  version as versionFlag,
} from "@stricli/core";
import { commit, version, versionLine } from "../src/version.ts";
import { isCommand, rootWith } from "./commands.ts";
import { describe, endQuietlyWithoutReader, status, statusOf } from "./exit.ts";
import type { Context } from "./flags.ts";
import { unreadable } from "./unreadable.ts";

type Streams = Pick<StricliProcess, "stdout" | "stderr" | "env">;

/**
 * Runs one command line and returns its exit status.
 * @param argv the words after the program's name
 * @param name what the program was called as: through a link named after a command, it is that command
 */
export async function main(
  argv: readonly string[],
  name: string,
  streams: Streams = process,
): Promise<number> {
  const inputs = asMeant(isCommand(name) ? [name, ...argv] : argv);
  const { stdout, stderr, env = {} } = streams;
  const seen: StricliProcess = { stdout, stderr, env };
  const debug = Boolean(env.ODMR_DEBUG);
  try {
    if (inputs[0] === "--version" && inputs[1] === "--json") {
      stdout.write(`${JSON.stringify(versionFacts())}\n`);
      return status.ok;
    }
    if (inputs[0] === "sendmail" && !isHelp(inputs[1])) {
      const { sendmail } = await import("./sendmail.ts");
      await sendmail(inputs.slice(1), seen);
      return status.ok;
    }
    const root = await rootWith(isCommand(inputs[0]) ? inputs[0] : undefined);
    await run(buildApplication<Context>(root, settings(env, debug), integrations), inputs, { process: seen });
  } catch (error) {
    stderr.write(`${describe(error, debug)}\n`);
    return statusOf(error);
  }
  return exitStatus(Number(seen.exitCode ?? 0));
}

/** `odmr help queue` and `odmr version` are what people try first. */
function asMeant(inputs: readonly string[]): readonly string[] {
  const [first, ...rest] = inputs;
  if (first === "help") return [...rest, "--help"];
  return first === "version" ? ["--version", ...rest] : inputs;
}

/** What a program asks of a version: ours, what it was built from, and what it runs on. */
function versionFacts() {
  const { bun, deno } = process.versions;
  const runtime = deno === undefined ? `bun ${bun}` : `deno ${deno}`;
  return { name: "odmr", version, commit, runtime, platform: `${process.platform}-${process.arch}` };
}

/** sendmail's own options are nothing that stricli could read. */
const isHelp = (word: string | undefined): boolean => word === "--help" || word === "--helpAll";

/** stricli's own statuses are negative: a command line that it cannot read, and what should not happen. */
function exitStatus(code: number): number {
  const unread = [-4, -5];
  if (unread.includes(code)) return status.usage;
  return code < 0 ? status.software : code;
}

const integrations = {
  help: help<Context>({
    brief: "Show this help",
    defaultForRouteMap: true,
    formatting: {
      useAliasInUsageLine: false,
      onlyRequiredInUsageLine: true,
      caseStyle: "convert-camel-to-kebab",
    },
  }),
  version: versionFlag<Context>({
    brief: "Show the version (with --json behind it: for programs)",
    info: { currentVersion: versionLine },
  }),
};

function settings(env: Readonly<Partial<Record<string, string>>>, debug: boolean) {
  const said = (error: unknown) => describe(error, debug);
  return {
    name: "odmr",
    scanner: {
      caseStyle: "allow-kebab-for-camel",
      allowArgumentEscapeSequence: true,
      distanceOptions: {
        threshold: 3,
        weights: { insertion: 1, deletion: 1, substitution: 2, transposition: 1 },
      },
    },
    documentation: { disableAnsiColor: Boolean(env.NO_COLOR) },
    localization: {
      text: {
        ...text_en,
        exceptionWhileParsingArguments: (error: unknown) => `odmr: ${unreadable(error)}; see --help`,
        noCommandRegisteredForInput: ({ input, corrections }: Misspelt) =>
          `odmr: there is no command "${input}"; ${
            corrections.length > 0
              ? `did you mean ${corrections.join(" or ").replaceAll("`", "")}?`
              : input.startsWith("-")
                ? "options stand behind the command, and odmr --help names the commands"
                : "see odmr --help"
          }`,
        briefs: { ...text_en.briefs, argumentEscapeSequence: "What stands behind it is no option" },
        exceptionWhileLoadingCommandFunction: said,
        exceptionWhileRunningCommand: said,
        commandErrorResult: said,
      },
    },
    determineExitCode: statusOf,
  } as const;
}

interface Misspelt {
  readonly input: string;
  readonly corrections: readonly string[];
}

/** Runs the command line of this process, and leaves its status behind. */
export async function start(): Promise<void> {
  endQuietlyWithoutReader(process.stdout);
  process.exitCode ||= await main(process.argv.slice(2), basename(process.argv0));
}

if (import.meta.main) await start();
