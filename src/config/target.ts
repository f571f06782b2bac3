/** Targets of local delivery, from their text form: `lmtp://host:port`, `maildir:/path/{domain}/{local}`, … */
// A template's placeholders are known here; what they may become (no `..`, no slash) is the delivery's matter.

import { formatEndpoint, type Place, parsePlace } from "./endpoint.ts";
import { shown } from "./shown.ts";

export type Target =
  | { readonly type: "smtp" | "lmtp"; readonly at: Place }
  | { readonly type: "lmtp"; readonly at: { readonly path: string } }
  /** A path with `{domain}`, `{local}`, `{recipient}`. */
  | { readonly type: "maildir" | "mbox"; readonly path: string }
  /** Program and arguments, with the same placeholders in the arguments; never a shell. */
  | { readonly type: "command"; readonly argv: readonly [string, ...string[]] }
  | { readonly type: "discard" };

/** Why a text is no target, and what to write. */
export class TargetError extends Error {
  override readonly name = "TargetError";
}

/** @throws TargetError */
export function parseTarget(text: string): Target {
  const colon = text.indexOf(":");
  const scheme = text.slice(0, Math.max(colon, 0));
  const parse = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (parse === undefined)
    throw new TargetError(
      `${shown(text)} is no target; write ${Object.values(examples).slice(0, -1).join(", ")} or ${examples.discard}`,
    );
  return parse(text.slice(colon + 1));
}

/** The text form of a target; the same target has the same. */
export function formatTarget(target: Target): string {
  switch (target.type) {
    case "smtp":
    case "lmtp":
      return "path" in target.at ? `lmtp:${target.at.path}` : `${target.type}://${formatEndpoint(target.at)}`;
    case "maildir":
    case "mbox":
      return `${target.type}:${target.path}`;
    case "command":
      return `command:${JSON.stringify(target.argv)}`;
    case "discard":
      return "discard:";
    default:
      return target satisfies never;
  }
}

export const examples = {
  lmtp: "lmtp://127.0.0.1:24",
  socket: "lmtp:/run/dovecot/lmtp",
  smtp: "smtp://127.0.0.1:25",
  maildir: "maildir:/var/mail/{domain}/{local}",
  mbox: "mbox:/var/mail/{local}",
  command: `command:["prog","{recipient}"]`,
  discard: "discard:",
} as const;

const schemes: Readonly<Record<string, (rest: string) => Target>> = {
  smtp: (rest) => ({ type: "smtp", at: place(rest, 25, examples.smtp) }),
  lmtp: (rest) =>
    rest.startsWith("/") && !rest.startsWith("//")
      ? { type: "lmtp", at: { path: rest } }
      : { type: "lmtp", at: place(rest, 24, examples.lmtp) },
  maildir: (rest) => ({ type: "maildir", path: template(rest, examples.maildir) }),
  mbox: (rest) => ({ type: "mbox", path: template(rest, examples.mbox) }),
  command: (rest) => ({ type: "command", argv: argv(rest) }),
  discard: (rest) => (rest === "" ? { type: "discard" } : fail(`"${rest}" is too much; write discard:`)),
};

function place(rest: string, port: number, example: string): Place {
  const found = rest.startsWith("//") ? parsePlace(rest.slice(2).replace(/\/$/, ""), port) : undefined;
  return found ?? fail(`${shown(rest)} names no host and port; write ${example}`);
}

const PLACEHOLDER = /\{([^{}]*)\}/g;
const known = ["domain", "local", "recipient"];

function template(path: string, example: string): string {
  if (path === "") fail(`a path is missing; write ${example}`);
  for (const [whole, name = ""] of path.matchAll(PLACEHOLDER))
    if (!known.includes(name))
      fail(`${whole} is no placeholder; there are {domain}, {local} and {recipient}`);
  return path;
}

function argv(rest: string): readonly [string, ...string[]] {
  const [program, ...parts] = stringsOf(rest);
  if (program === undefined || program === "")
    return fail(`the program is missing; write ${examples.command}`);
  if (/[{}]/.test(program)) fail("the program's name takes no placeholders; its arguments do");
  for (const part of parts) template(part || "-", examples.command);
  return [program, ...parts];
}

function stringsOf(json: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(json);
    if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  } catch {
    // Said below, with what to write: the parser's own words speak of JSON, not of targets.
  }
  return fail(`"${json}" is no list of strings; write ${examples.command}`);
}

function fail(why: string): never {
  throw new TargetError(why);
}
