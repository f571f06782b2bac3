/** `odmr doctor`: looks at all that can go wrong, here and in DNS, and says how to mend it. */
// It changes nothing and sends no mail; it works while odmr serve and odmr pull run, and while they do not.
import { buildCommand } from "@stricli/core";
import type { Config } from "../src/config/config.ts";
import { parsePlace } from "../src/config/endpoint.ts";
import { ConfigError } from "../src/config/error.ts";
import { readConfig } from "../src/config/load.ts";
import { nameServer } from "../src/config/outgoing.ts";
import { systemClock } from "../src/platform/clock.ts";
import { examine, type Finding, type Found, type Group, groups, statusFor } from "./doctor/check.ts";
import { section, summary } from "./doctor/report.ts";
import { patientOf } from "./doctor/system.ts";
import { checksOf } from "./doctor/table.ts";
import { type CommonFlags, type Context, commonFlags, helpText, switchFlag } from "./flags.ts";
import { logOf } from "./log.ts";
import { Lines, written } from "./queue/out.ts";
import { type Screen, screenOf } from "./table.ts";

interface DoctorFlags extends CommonFlags {
  readonly only?: readonly Group[];
  readonly dns?: readonly string[];
  readonly ntp?: string;
  readonly bodies: boolean;
  readonly json: boolean;
}

/** Milliseconds for what was given up on to end by itself. */
const LEAVE = 2_000;

export const doctorCommand = buildCommand<DoctorFlags, [], Context>({
  async func({ only = [], dns = [], ntp, bodies, json, ...flags }) {
    const { stdout } = this.process;
    const config = await configOf(flags.config, json, stdout);
    const log = logOf(
      { ...flags, logLevel: flags.logLevel === "info" ? "error" : flags.logLevel },
      systemClock,
    );
    const { patient, close } = patientOf(config, { file: flags.config, dns, ntp, bodies, log });
    const tell = json ? asLines(new Lines(stdout)) : asSections(stdout, screenOf(stdout, this.process.env));
    const all: Found[] = [];
    for await (const found of examine(checksOf(only), patient)) {
      all.push(found);
      await tell.finding(found.finding);
    }
    await tell.end();
    const status = statusFor(all);
    this.process.exitCode = status;
    await flushed(stdout);
    // What was given up on may go on in the spool's thread: it is left behind.
    const timer = systemClock.after(LEAVE, () => process.exit(status));
    await close();
    timer.stop();
  },
  parameters: {
    flags: {
      ...commonFlags,
      only: {
        kind: "enum",
        values: groups,
        variadic: ",",
        optional: true,
        brief: "Only these groups of checks, with commas between",
      },
      dns: {
        kind: "parsed",
        parse: serverIn,
        variadic: ",",
        optional: true,
        placeholder: "SERVER[:PORT]",
        brief: "The name servers to ask (else those of serve.outbound or serve.checks, else the system's)",
      },
      ntp: {
        kind: "parsed",
        parse: timeServerIn,
        optional: true,
        placeholder: "SERVER[:PORT]",
        brief: "A time server to compare this clock with",
      },
      bodies: switchFlag("Read every message in the spool too, as odmr queue verify does"),
      json: switchFlag("JSON Lines: check, group, subject, status (ok, warn, fail, skipped), detail, mend"),
    },
  },
  docs: {
    brief: "Look at all that can go wrong, here and in DNS, and say how to mend it",
    fullDescription: helpText(
      "Looks at the configuration, its files, the spool and its disk, certificates, DNS (names, MX, SPF, DKIM, DMARC,\n" +
        "MTA-STS, TLSA), listeners (also whether they would relay for strangers), the last turns, the providers (with a\n" +
        "login, without ATRN), the targets of delivery and the clock. It changes nothing and sends no mail, and works\n" +
        "while odmr serve and odmr pull run, and while they do not. Run it as the user that odmr runs as, or as root.\n\n" +
        "✓ fine · ! to look at · ✗ to mend · - not looked at. Exit status: 0 nothing to mend; else that of the most\n" +
        "pressing: 65 the spool is damaged · 73, 74 its disk is full, or cannot be written · 77 a login is refused ·\n" +
        "69, 75 somebody does not answer · 78 the configuration, a file, a certificate or DNS is wrong.",
      {
        "odmr doctor": "all of it",
        "odmr doctor --only dns,listeners --dns 9.9.9.9": "two groups, with another name server",
        "odmr doctor --json | jq -r 'select(.status == \"fail\") | .mend'": "what is to be done",
        "odmr doctor --bodies --ntp pool.ntp.org": "every message, and the clock",
      },
    ),
  },
});

function serverIn(text: string): string {
  const read = nameServer().safeParse(text);
  if (read.success) return read.data;
  throw new Error(read.error.issues[0]?.message);
}

function timeServerIn(text: string): string {
  if (parsePlace(text, 123) !== undefined) return text;
  throw new Error(`"${text}" is no time server; write pool.ntp.org or 192.0.2.123:123`);
}

/** A configuration that cannot be read at all is the one finding. @throws ConfigError */
async function configOf(file: string | undefined, json: boolean, stdout: Out): Promise<Config> {
  try {
    return await readConfig(file);
  } catch (error) {
    if (json && error instanceof ConfigError)
      for (const detail of error.problems) {
        const named = { check: "configuration", group: "config", subject: file ?? "odmr.yaml" } as const;
        const finding: Finding = { ...named, status: "fail", detail, mend: "odmr init writes one" };
        stdout.write(`${JSON.stringify(finding)}\n`);
      }
    throw error;
  }
}

interface Out {
  readonly write: (text: string) => unknown;
}

/** Resolves when the reader has all of it. */
async function flushed(stdout: object): Promise<void> {
  if (!("once" in stdout)) return;
  await new Promise((resolve) => (stdout as NodeJS.WriteStream).write("", resolve));
}

interface Telling {
  finding(finding: Finding): Promise<void>;
  end(): Promise<void>;
}

/** Each as soon as it is there. */
function asLines(lines: Lines): Telling {
  return {
    finding: async (finding) => {
      await lines.line(JSON.stringify(finding));
      await lines.end();
    },
    end: () => lines.end(),
  };
}

/** A group as soon as it is whole. */
function asSections(stdout: Out, screen: Screen): Telling {
  const all: Finding[] = [];
  let group: Finding[] = [];
  const flush = async (): Promise<void> => {
    if (group.length > 0) await written(stdout, `${section(group, screen)}\n`);
    group = [];
  };
  return {
    finding: async (finding) => {
      if (group[0]?.group !== finding.group) await flush();
      group.push(finding);
      all.push(finding);
    },
    end: async () => {
      await flush();
      await written(stdout, summary(all));
    },
  };
}
