/** The kinds of values in a configuration: each is read from its text form and says what to write instead. */
// A message has two halves, `what is wrong; what to write`; load.ts puts file, line, column and key before it.

import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Cron } from "croner";
import { z } from "zod";
import { AddressError, isPostgres, placedPostgres } from "../spool/postgres/address.ts";
import { isDomain, lowerAscii } from "../wire/domain.ts";
import { parseEndpoint, parsePlace } from "./endpoint.ts";
import { isAddressPattern, isHostname, isNetwork, parseFingerprint } from "./names.ts";
import { shown } from "./shown.ts";
import { parseTarget, type Target, TargetError } from "./target.ts";
import { parseDuration, parseSize } from "./units.ts";
import { ODMR_PORT } from "./uri.ts";

/** A text that `read` understands; undefined from it, or a throw, is a problem. */
function parsed<T>(read: (text: string) => T | undefined, hint: string) {
  return z.string().transform((text, context) => {
    const value = read(text);
    if (value !== undefined) return value;
    context.issues.push({ code: "custom", message: `${shown(text)} ${hint}`, input: text });
    return z.NEVER;
  });
}

const accepted = (fits: (text: string) => boolean) => (text: string) => (fits(text) ? text : undefined);

export const hostname = () => parsed(accepted(isHostname), "is no host name; write relay.example.net");

export const domain = () =>
  parsed(
    (text) => accepted(isDomain)(lowerAscii(text)),
    "is no domain; write example.org (two labels or more, xn--… for other scripts)",
  );

export const addressPattern = () =>
  parsed(accepted(isAddressPattern), 'is no address pattern; write bob@example.org, *@example.org or "*"');

export const duration = () => parsed(parseDuration, "is not a duration; write 30d, 12h or 1h30m");

export const size = () =>
  z
    .union(
      [
        z.number().int().nonnegative("it cannot be less than 0; write 10MiB"),
        parsed(parseSize, "is not a size; write 10MiB, 500kB or 2GiB"),
      ],
      {
        error: ({ input }) => `${shown(input)} is not a size; write 10MiB, 500kB or 2GiB`,
      },
    )
    .meta({ examples: ["10MiB"] });

export const count = () =>
  z
    .number({ error: () => "is not a number; write it without quotes" })
    .int()
    .min(1, "it must be 1 at least; write 100");

/** Minute, hour, day, month and weekday, as cron has them. */
export const minutes = () =>
  parsed(
    accepted(isCron),
    'is no pattern of minutes; write "*/10 8-20 * * 1-5" (minute, hour, day, month, weekday)',
  );

export const timezone = () =>
  parsed(accepted(isTimezone), "is no time zone; write one as in Europe/Berlin, or UTC");

export const endpoint = () =>
  parsed(
    parseEndpoint,
    'is no address to listen on; write "0.0.0.0:366", "[::]:366" or "unix:/run/odmr.sock"',
  );

export const provider = () =>
  parsed(
    (text) => parsePlace(text, ODMR_PORT),
    "is no provider; write relay.example.net or relay.example.net:366",
  );

export const network = () =>
  parsed(accepted(isNetwork), "is no network; write 192.0.2.0/24, 2001:db8::/32 or one address");

export const fingerprint = () =>
  parsed(
    parseFingerprint,
    "is no SHA-256 fingerprint; write sha256: and 64 hex digits (openssl x509 -noout -fingerprint -sha256)",
  );

function isCron(text: string): boolean {
  try {
    new Cron(text, { paused: true, mode: "5-part" });
    return true;
  } catch {
    return false;
  }
}

function isTimezone(text: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: text });
    return true;
  } catch {
    return false;
  }
}

/** A file's name; relative ones are looked for beside the configuration file. */
export const file = (folder: string) =>
  z
    .string()
    .min(1, "a file name is missing; write /etc/odmr/…")
    .transform((name) => located(name, folder));

/** The spool: a file's name, or the address of a database. */
export const spool = (folder: string) =>
  z
    .string()
    .min(1, "a file name is missing; write /var/lib/odmr/spool.db")
    .transform((name, context) => {
      if (!isPostgres(name)) return located(name, folder);
      try {
        return placedPostgres(name, (file) => located(file, folder));
      } catch (error) {
        if (!(error instanceof AddressError)) throw error;
        // The value is not repeated: there may be a password in it.
        context.issues.push({ code: "custom", message: error.message, input: "" });
        return z.NEVER;
      }
    });

export const target = (folder: string) =>
  z.string().transform((text, context): Target => {
    try {
      return absolute(parseTarget(text), folder);
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      context.issues.push({ code: "custom", message: error.message, input: text });
      return z.NEVER;
    }
  });

/** One target, or a list of them. */
export const targets = (folder: string) =>
  z
    .union([z.string(), z.array(z.string()).min(1, "it is empty; write a target")], {
      error: ({ input }) =>
        `${shown(input)} is no target; write maildir:/var/mail/{domain}/{local}, or a list`,
    })
    .transform((input, context): Target | readonly Target[] => {
      const read = (text: string, path: readonly number[]): Target => {
        const found = target(folder).safeParse(text);
        if (found.success) return found.data;
        for (const { message } of found.error.issues)
          context.issues.push({ code: "custom", message, input: text, path: [...path] });
        return z.NEVER;
      };
      return typeof input === "string" ? read(input, []) : input.map((text, i) => read(text, [i]));
    });

function absolute(found: Target, folder: string): Target {
  return "path" in found ? { ...found, path: located(found.path, folder) } : found;
}

/** `~/` is the user's home; other relative names start from the folder. */
function located(name: string, folder: string): string {
  return name.startsWith("~/") ? join(homedir(), name.slice(2)) : resolve(folder, name);
}
