/** `odmr init relay|home [FILE]`: writes a commented starter configuration, over nothing that is there. */

import { access, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { buildCommand } from "@stricli/core";
import { isHostname } from "../src/config/names.ts";
import { Exit, status, UsageError } from "./exit.ts";
import { type Context, helpText, switchFlag, textArgument } from "./flags.ts";
import { makeConfigFolder, type Owner, ownerFor } from "./owner.ts";
import { nextSteps, type StarterKind, starter } from "./starter.ts";

interface InitFlags {
  readonly force: boolean;
  readonly yes: boolean;
  readonly hostname?: string;
}

/** What is to be written, and what is left to do. */
interface Starting {
  readonly text: string;
  /** Nothing in it is left to be changed. */
  readonly ready: boolean;
  /** Its customers are yet to come. */
  readonly invites: boolean;
}

export const initCommand = buildCommand<InitFlags, [kind: StarterKind, file?: string], Context>({
  async func({ force, yes, hostname }, kind, file = "odmr.yaml") {
    if (hostname !== undefined && kind === "home")
      throw new UsageError("--hostname is for a relay; for a home odmr join writes all");
    if (!force && (await isThere(file))) throw occupied(file);
    const { text, ready, invites } = await starting(kind, hostname, yes);
    const owner = ownerFor(resolve(file));
    await makeFolder(dirname(resolve(file)), owner);
    await write(file, worksAs(text, owner), force);
    const steps = nextSteps({ kind, file, invites })
      .map((step) => `  ${step}\n`)
      .join("");
    const then = ready ? "Then:" : "Change what is marked with <--, then:";
    this.process.stderr.write(`Wrote ${file}. ${then}\n${steps}`);
  },
  parameters: {
    flags: {
      force: switchFlag("Write over a file that is there"),
      yes: switchFlag("Ask nothing: what must be changed is marked in the file"),
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
    customUsage: ["relay|home [--yes] [FILE]", "relay --hostname NAME [FILE]"],
    fullDescription: helpText(
      "Writes a commented starter configuration; a file that is there stays as it is. In a terminal it asks for what must\n" +
        "be yours. Where the relay is an odmr, odmr join at home does all of it, and needs no init.",
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

/** Asks, where a person sits before it. */
async function starting(kind: StarterKind, hostname: string | undefined, yes: boolean): Promise<Starting> {
  const { answeredHome, answeredRelay } = await import("./answered.ts");
  if (hostname !== undefined)
    return { text: answeredRelay({ hostname, domains: [] }), ready: true, invites: true };
  if (yes || process.stdin.isTTY !== true || process.stdout.isTTY !== true)
    return { text: starter(kind), ready: false, invites: false };
  const { askHome, askRelay } = await import("./interview.ts");
  if (kind === "home") return { text: answeredHome(await askHome()), ready: true, invites: false };
  const answers = await askRelay();
  return { text: answeredRelay(answers), ready: true, invites: answers.domains.length === 0 };
}

/** What root writes for the service says whom the service works as. */
const worksAs = (text: string, owner: Owner | undefined): string =>
  owner === undefined ? text : text.replace(/^# user: .*$/m, `user: ${owner.name}`);

async function makeFolder(folder: string, owner: Owner | undefined): Promise<void> {
  try {
    await makeConfigFolder(folder, owner);
  } catch (cause) {
    throw new Exit(status.cannotCreate, `${folder} cannot be made: ${(cause as Error).message}`, { cause });
  }
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

const occupied = (file: string, cause?: unknown): Exit =>
  new Exit(status.cannotCreate, `${file} is there already; name another file, or say --force`, { cause });

async function write(file: string, text: string, force: boolean): Promise<void> {
  try {
    await writeFile(file, text, { flag: force ? "w" : "wx" });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST") throw occupied(file, cause);
    throw new Exit(status.cannotCreate, `${file} cannot be written: ${message}`, { cause });
  }
}
