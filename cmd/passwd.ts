/** `odmr passwd [FILE]`: makes a password file, or the SCRAM verifier of a password. */
// A secret comes from chance, from stdin or from a file; never from the command line, where others can read it.

import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { buildCommand } from "@stricli/core";
import { readSecret, secretIn } from "../src/config/secret.ts";
import { pbkdf2Sha256 } from "../src/platform/hash.ts";
import { placeNew } from "../src/platform/newfile.ts";
import { type Random, systemRandom } from "../src/platform/random.ts";
import { Exit, status, UsageError } from "./exit.ts";
import { type Context, helpText, switchFlag, textArgument, textFlag } from "./flags.ts";

interface PasswdFlags {
  readonly stdin: boolean;
  readonly scram: boolean;
  readonly from?: string;
}

export const passwdCommand = buildCommand<PasswdFlags, [file?: string], Context>({
  async func({ stdin, scram, from }, file) {
    refuseNonsense({ stdin, scram, from, file });
    const secret = await (from !== undefined
      ? readSecret(from)
      : stdin
        ? readStdin()
        : newSecret(systemRandom));
    if (file !== undefined) await write(file, secret);
    if (scram) this.process.stdout.write(`${await verifierOf(secret)}\n`);
    else if (file === undefined) this.process.stdout.write(`${secret}\n`);
    if (file !== undefined) this.process.stderr.write(`Wrote ${file}; only its owner can read it.\n`);
  },
  parameters: {
    flags: {
      stdin: switchFlag("Take the password from stdin, one line, instead of making one"),
      scram: switchFlag("Print the SCRAM-SHA-256 verifier, which a relay can keep instead of the password"),
      from: textFlag("FILE", "With --scram: take the password from this file"),
    },
    positional: {
      kind: "tuple",
      parameters: [textArgument("FILE", "Where to write the password; without it, stdout")],
    },
  },
  docs: {
    brief: "Make a password file, or the SCRAM verifier of a password",
    fullDescription: helpText(
      "Makes a random password and writes it to a file that only its owner can read; a file that is there stays.\n" +
        "A relay that has only a verifier cannot offer that customer CRAM-MD5, and so cannot serve fetchmail.",
      {
        "odmr passwd home.secret": "a random password, in a file",
        "odmr passwd --stdin home.secret < given": "one that you were given",
        "odmr passwd --scram --from home.secret": "for `scram:` in the relay's configuration",
      },
    ),
  },
});

interface Asked {
  readonly stdin: boolean;
  readonly scram: boolean;
  readonly from: string | undefined;
  readonly file: string | undefined;
}

function refuseNonsense({ stdin, scram, from, file }: Asked): void {
  if (from !== undefined && stdin)
    throw new UsageError("a password comes from --from or from --stdin; take one out");
  if (from !== undefined && !scram)
    throw new UsageError("--from goes with --scram; to copy a file, use cp -p");
  if (from !== undefined && file !== undefined)
    throw new UsageError("with --from there is a file already; take the other one out");
  if (scram && from === undefined && !stdin && file === undefined)
    throw new UsageError(
      "the verifier of a password that nobody has is of no use; write --from FILE, --stdin or FILE",
    );
}

/** 24 letters, digits, `-` and `_`: 144 bits, and nothing that a shell or YAML would read otherwise. */
function newSecret(random: Random): string {
  return Buffer.from(random.bytes(18)).toString("base64url");
}

async function readStdin(): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of process.stdin) pieces.push(piece as Uint8Array);
  const secret = secretIn(Buffer.concat(pieces).toString("utf8"));
  if (secret === "" || /[\r\n\0]/.test(secret))
    throw new Exit(status.dataError, "stdin must be the password alone, on one line");
  return secret;
}

async function write(file: string, secret: string): Promise<void> {
  const folder = dirname(resolve(file));
  if (!existsSync(folder))
    throw new Exit(status.cannotCreate, `${file} cannot be written: there is no folder ${folder}`);
  const made = await placeNew(file, `${secret}\n`, systemRandom).catch((cause: Error) => {
    throw new Exit(status.cannotCreate, `${file} cannot be written: ${cause.message}`, { cause });
  });
  if (!made) throw new Exit(status.cannotCreate, `${file} is there already; name another file, or remove it`);
}

/** Loaded here, for only this form needs it: the verifier is of the prepared password (RFC 5802 §2.2, RFC 4013). */
async function verifierOf(secret: string): Promise<string> {
  const { formatVerifier, ITERATIONS, makeVerifier } = await import("../src/smtp/sasl/verifier.ts");
  const { prepared } = await import("../src/relay/password.ts");
  const salt = systemRandom.bytes(16);
  return formatVerifier(makeVerifier(prepared(secret), salt, ITERATIONS, pbkdf2Sha256));
}
