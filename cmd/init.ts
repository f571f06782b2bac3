/** `odmr init relay|home [FILE]`: writes a commented starter configuration, over nothing that is there. */

import { writeFile } from "node:fs/promises";
import { buildCommand } from "@stricli/core";
import { Exit, status } from "./exit.ts";
import { type Context, helpText, switchFlag, textArgument } from "./flags.ts";
import { nextSteps, type StarterKind, starter } from "./starter.ts";

interface InitFlags {
  readonly force: boolean;
}

export const initCommand = buildCommand<InitFlags, [kind: StarterKind, file?: string], Context>({
  async func({ force }, kind, file = "odmr.yaml") {
    await write(file, starter(kind), force);
    const steps = nextSteps(kind, file)
      .map((step) => `  ${step}\n`)
      .join("");
    this.process.stderr.write(`Wrote ${file}. Change what is marked with <--, then:\n${steps}`);
  },
  parameters: {
    flags: { force: switchFlag("Write over a file that is there") },
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
    customUsage: ["relay|home [FILE]"],
    fullDescription: helpText(
      "Writes a commented starter configuration; a file that is there stays as it is.",
      {
        "odmr init relay /etc/odmr/odmr.yaml": "for the host with a fixed address",
        "odmr init home": "for the host at home, into ./odmr.yaml",
      },
    ),
  },
});

function kindOf(word: string): StarterKind {
  if (word === "relay" || word === "home") return word;
  throw new Error(`"${word}" is neither relay nor home`);
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
