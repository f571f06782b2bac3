/** `odmr man [PAGE]`: the manual pages, made from the same sources as `--help` and the checks of the configuration. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildCommand } from "@stricli/core";
import { jsonSchema } from "../src/config/describe.ts";
import { configPlaces } from "../src/config/load.ts";
import { version } from "../src/version.ts";
import { type CommandName, commandNames, loadCommand, rootWith } from "./commands.ts";
import { UsageError } from "./exit.ts";
import { type Context, helpText, textArgument, textFlag } from "./flags.ts";
import { pageOf } from "./man/command.ts";
import { type Heading, heading, prose, section } from "./man/roff.ts";
import { configPage } from "./man/yaml.ts";

interface ManFlags {
  readonly into?: string;
}

export const manCommand = buildCommand<ManFlags, [page?: string], Context>({
  async func({ into }, page) {
    const pages = page === undefined && into !== undefined ? pageNames : [page ?? "odmr"];
    for (const name of pages) {
      const { text, ...of } = await manualPage(name);
      if (into === undefined) this.process.stdout.write(text);
      else await put(join(into, `man${of.section}`), `${name}.${of.section}`, text);
    }
  },
  parameters: {
    flags: { into: textFlag("FOLDER", "Write the page, or all of them, into man1 and man5 of this folder") },
    positional: {
      kind: "tuple",
      parameters: [textArgument("PAGE", "Such as odmr-serve or odmr.yaml (odmr)")],
    },
  },
  docs: {
    brief: "Print a manual page, or write all of them into a folder",
    fullDescription: helpText("Prints a manual page, as man reads it.", {
      "odmr man odmr-serve | man -l -": "read one",
      "odmr man odmr.yaml | man -l -": "all keys of the configuration",
      "odmr man --into /usr/local/share/man": "for: man odmr",
    }),
  },
});

const YAML = "odmr.yaml";
const ofCommand = (name: CommandName): string => `odmr-${name}`;

export const pageNames: readonly string[] = ["odmr", ...commandNames.map(ofCommand), YAML];

/** @throws UsageError if there is none of that name */
export async function manualPage(
  name: string,
): Promise<{ readonly section: Heading["section"]; readonly text: string }> {
  const [head, body] = await partsOf(name);
  const more = pageNames
    .filter((each) => each !== name)
    .map((each) => `${each}(${each === YAML ? 5 : 1})`)
    .join(", ");
  const text = heading({ name, ...head }, version) + body + section("SEE ALSO", prose(more));
  return { section: head.section, text };
}

async function partsOf(name: string): Promise<readonly [Omit<Heading, "name">, string]> {
  if (name === YAML)
    return [
      { section: 5, brief: "The configuration of odmr" },
      configPage(jsonSchema(), configPlaces({ HOME: "~" })),
    ];
  if (name === "odmr") {
    const root = await rootWith(undefined);
    return [{ section: 1, brief: root.brief }, pageOf(root, ["odmr"]) + section("EXIT STATUS", prose(exits))];
  }
  const command = commandNames.find((each) => name === ofCommand(each) || name === each);
  if (command === undefined)
    throw new UsageError(`there is no page ${name}; there are ${pageNames.join(", ")}`);
  const target = await loadCommand(command);
  return [{ section: 1, brief: target.brief }, pageOf(target, ["odmr", command])];
}

const exits =
  "0: done, also where there was no mail. 1: odmr queue: nothing matched. 64: a wrong command line. 65: bad data came " +
  "in. 69: the other end is not there. 70: a bug. 73, 74: it cannot be written. 75: try again later. 76: the peer broke " +
  "the protocol. 77: login or right refused. 78: a wrong configuration.";

async function put(folder: string, file: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, file), text);
}
