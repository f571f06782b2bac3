/** `odmr invite NAME --domain DOMAIN`: one line that makes a host at home a customer of this relay, once. */
// The line is the result, alone on stdout; its token is nowhere else, and the folder of customers has its hash.
import { readFile } from "node:fs/promises";
import { buildCommand } from "@stricli/core";
import type { Config, Listener } from "../src/config/config.ts";
import { type Place, parsePlace } from "../src/config/endpoint.ts";
import { ConfigError } from "../src/config/error.ts";
import { formatInvitation } from "../src/config/invitation.ts";
import { readConfig } from "../src/config/load.ts";
import { formatDuration, parseDuration } from "../src/config/units.ts";
import { systemClock } from "../src/platform/clock.ts";
import { systemRandom } from "../src/platform/random.ts";
import { fingerprintOf } from "../src/platform/selfsigned.ts";
import { UsageError } from "./exit.ts";
import { type Context, configFlag, helpText, switchFlag, textFlag } from "./flags.ts";
import { domainOf, guestOf, nameOf } from "./guest.ts";
import { makeOwnCertificate } from "./owncertificate.ts";
import { writeInvitation } from "./pairing.ts";
import { workAs } from "./user.ts";

interface InviteFlags {
  readonly config?: string;
  readonly domain?: readonly string[];
  readonly valid: number;
  readonly address?: string;
  readonly again: boolean;
  readonly json: boolean;
}

const MINUTES_10 = 600_000;
const DAYS_7 = 7 * 86_400_000;

export const inviteCommand = buildCommand<InviteFlags, [name?: string], Context>({
  async func({ config: file, valid, address, json, ...flags }, word) {
    const { stdout, stderr } = this.process;
    if (flags.domain === undefined && !flags.again && process.stdin.isTTY !== true)
      throw new UsageError("whose mail is it to get? write --domain example.org");
    const config = await readConfig(file);
    workAs(config);
    const door = doorOf(config, address);
    const { name, domains, replaces } = await guestOf(config, { ...flags, name: word });
    const until = systemClock.now() + valid;
    const pin = await pinOf(config);
    const token = await writeInvitation(door.folder, { name, domains, until, replaces }, systemRandom);
    const line = formatInvitation({ tls: door.tls, provider: door.place, token, pin });
    if (json)
      return void stdout.write(
        `${JSON.stringify({ name, domains, invitation: line, until: new Date(until).toISOString() })}\n`,
      );
    const what = `An invitation for ${name} (${domains.join(", ")}): good for ${formatDuration(valid)}, and once.${
      replaces === undefined
        ? ""
        : `\nUntil it is used, ${name} is who it was; from then on its new key counts, and the old one no more.`
    }`;
    stderr.write(`${what}\n\n`);
    stdout.write(`${line}\n`);
    if (isTerminal(stdout)) stdout.write(`\n${await qrCode(line)}\n`);
    stderr.write("\nAt home say odmr join, and give it that line. It is a secret until then.\n");
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        { parse: nameOf, optional: true, placeholder: "NAME", brief: "What the customer is to be called" },
      ],
    },
    flags: {
      config: configFlag,
      domain: {
        kind: "parsed",
        parse: domainOf,
        variadic: true,
        optional: true,
        placeholder: "DOMAIN",
        brief: "A domain whose mail it is to get; may be given more than once",
      },
      valid: {
        kind: "parsed",
        parse: validOf,
        default: "10m",
        placeholder: "DURATION",
        brief: "How long it counts, 7d at most",
      },
      address: textFlag(
        "HOST[:PORT]",
        "How the relay is reached from there (else its hostname, and the port of its odmr listener)",
      ),
      again: switchFlag("For a customer that is one already: a new key in place of the one that it has"),
      json: switchFlag("One JSON object"),
    },
  },
  docs: {
    brief: "On the relay: invite a host at home to be a customer",
    customUsage: ["NAME --domain DOMAIN [--domain DOMAIN]... [--valid 10m]", "NAME --again"],
    fullDescription: helpText(
      "Prints one line, and on a terminal its QR code: the relay's address, a token that counts once, and the fingerprint\n" +
        "of the relay's certificate. Whoever gives that line to odmr join is the customer NAME from then on, with a key of\n" +
        "its own. Pass it on by a way that you trust. A second invitation for the same name replaces the first. In a\n" +
        "terminal it asks for what was not said.\n\n" +
        "It works whether odmr serve runs or not; to be taken, it must. The customer is then a file NAME.yaml in\n" +
        "serve.customersFolder, and the open invitation a file NAME.invitation there: remove it to take it back.",
      {
        "odmr invite home --domain example.org": "for ten minutes",
        "odmr invite home --domain example.org --domain example.com": "two domains",
        "odmr invite home --domain example.org --address 192.0.2.1":
          "where the hostname does not lead here yet",
        "odmr invite home --again": "home has a new machine, or has lost its key",
        "odmr invite home --domain example.org | ssh home odmr join --to maildir:Mail/{local}":
          "both at once",
      },
    ),
  },
});

function validOf(text: string): number {
  const valid = parseDuration(text) ?? 0;
  if (valid > 0 && valid <= DAYS_7) return valid;
  throw new Error(
    `"${text}" is no time that an invitation can count; write ${formatDuration(MINUTES_10)} or 1d, 7d at most`,
  );
}

interface Door {
  readonly tls: "starttls" | "implicit";
  readonly place: Place;
  readonly folder: string;
}

/** Where customers call, under TLS. @throws ConfigError, UsageError */
function doorOf({ serve, hostname, file }: Config, address: string | undefined): Door {
  if (serve === undefined)
    throw new ConfigError(`${file}: serve: is missing; an invitation is to a relay. See odmr init relay`);
  const doors = serve.listen.filter(({ service, tls }) => service === "odmr" && tls !== "none");
  const [door] = [...doors.filter(({ tls }) => tls === "starttls"), ...doors];
  if (door === undefined)
    throw new ConfigError(
      `${file}: serve.listen: no odmr listener has TLS, and without it nobody can join; write tls: { self: true }, or a certificate`,
    );
  const place = placeOf(address ?? hostname, door.address);
  return { tls: door.tls === "implicit" ? "implicit" : "starttls", place, folder: serve.customersFolder };
}

function placeOf(address: string, listens: Listener["address"]): Place {
  const port = "port" in listens && listens.port !== 0 ? listens.port : undefined;
  const place = parsePlace(address, port);
  if (place !== undefined) return place;
  throw new UsageError(
    parsePlace(address, 1) === undefined
      ? `--address: "${address}" is no address; write relay.example.net or 192.0.2.1:366`
      : `which port do customers call? the listener does not say; write --address ${address}:366`,
  );
}

/** The certificate that callers will see; one of odmr's own is made now, if serve has not done so. */
async function pinOf({ tls, file, hostname }: Config): Promise<string> {
  if (tls === undefined) throw new ConfigError(`${file}: tls: is missing; write tls: { self: true }`);
  if (tls.self) await makeOwnCertificate(tls, hostname, { random: systemRandom, clock: systemClock });
  try {
    return fingerprintOf(await readFile(tls.certificate, "utf8"));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`${file}: tls.certificate: ${tls.certificate} cannot be used: ${why}`, { cause });
  }
}

async function qrCode(text: string): Promise<string> {
  const { renderUnicodeCompact } = await import("uqr");
  return renderUnicodeCompact(text, { border: 2 });
}

const isTerminal = (stream: object): boolean => "isTTY" in stream && stream.isTTY === true;
