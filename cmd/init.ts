/** `odmr init relay|home [FILE]`: writes a commented starter configuration, over nothing that is there. */

import { writeFile } from "node:fs/promises";
import { buildCommand } from "@stricli/core";
import { isHostname } from "../src/config/names.ts";
import { Exit, status, UsageError } from "./exit.ts";
import { type Context, helpText, switchFlag, textArgument } from "./flags.ts";
import { nextSteps, readyRelay, type StarterKind, starter } from "./starter.ts";

interface InitFlags {
  readonly force: boolean;
  readonly hostname?: string;
}

export const initCommand = buildCommand<InitFlags, [kind: StarterKind, file?: string], Context>({
  async func({ force, hostname }, kind, file = "odmr.yaml") {
    if (hostname !== undefined && kind === "home")
      throw new UsageError("--hostname is for a relay; for a home odmr join writes all");
    const ready = hostname !== undefined;
    await write(file, ready ? readyRelay(hostname) : starter(kind), force);
    const steps = nextSteps(kind, file, ready)
      .map((step) => `  ${step}\n`)
      .join("");
    const then = ready ? "Then:" : "Change what is marked with <--, then:";
    this.process.stderr.write(`Wrote ${file}. ${then}\n${steps}`);
  },
  parameters: {
    flags: {
      force: switchFlag("Write over a file that is there"),
      hostname: {
        kind: "parsed",
        parse: hostnameOf,
        optional: true,
        placeholder: "NAME",
        brief: "For a relay: its name; it makes its own certificate then, and takes customers by odmr invite",
      },
    },
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: kindOf,
          brief: "relay: has a fixed address and holds mail; home: calls it",
          placeholder: "relay|home",
        },
        textArgument("FILE", "Where to write it (odmr.yaml)"),
      ],
    },
  },
  docs: {
    brief: "Write a commented starter configuration",
    customUsage: ["relay|home [--hostname NAME] [FILE]"],
    fullDescription: helpText(
      "Writes a commented starter configuration; a file that is there stays as it is.",
      {
        "odmr init relay /etc/odmr/odmr.yaml": "for the host with a fixed address",
        "odmr init relay --hostname relay.example.net": "the same, and nothing in it is left to be changed",
        "odmr init home": "for the host at home, into ./odmr.yaml",
      },
    ),
  },
});

function kindOf(word: string): StarterKind {
  if (word === "relay" || word === "home") return word;
  throw new Error(`"${word}" is neither relay nor home`);
}

function hostnameOf(text: string): string {
  if (isHostname(text)) return text.toLowerCase();
  throw new Error(`"${text}" is no host name; write relay.example.net`);
}

async function write(file: string, text: string, force: boolean): Promise<void> {
  try {
    await writeFile(file, text, { flag: force ? "w" : "wx" });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why =
      code === "EEXIST"
        ? "is there already; name another file, or say --force"
        : `cannot be written: ${message}`;
    throw new Exit(status.cannotCreate, `${file} ${why}`, { cause });
  }
}
