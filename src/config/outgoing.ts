/** The part of the configuration about mail that leaves: the way out, and what a customer may do with it. */
import { z } from "zod";
import { parseAddress } from "../wire/address.ts";
import { isDomain } from "../wire/domain.ts";
import { type Place, parsePlace } from "./endpoint.ts";
import { addressPattern, count, domain, duration, file, fingerprint } from "./fields.ts";
import { isNetwork } from "./names.ts";
import { shown } from "./shown.ts";

/** A host that sends our mail on. */
export interface Smarthost extends Place {
  readonly tls: "starttls" | "implicit";
  readonly user?: string;
}

const SMARTHOST = /^(smtps?):\/\/(?:([^@/:]+)@)?([^@/]+)\/?$/i;

/** `smtp://user@host:587` (STARTTLS) or `smtps://user@host` (TLS from the first octet). */
export function parseSmarthost(text: string): Smarthost | undefined {
  const [, scheme = "", user, at = ""] = SMARTHOST.exec(text) ?? [];
  const implicit = scheme.toLowerCase() === "smtps";
  const place = parsePlace(at, implicit ? 465 : 587);
  if (place === undefined) return undefined;
  return {
    ...place,
    tls: implicit ? "implicit" : "starttls",
    ...(user !== undefined && { user: decodeURIComponent(user) }),
  };
}

function text<T>(read: (text: string) => T | undefined, hint: string) {
  return z.string().transform((input, context): T => {
    const value = read(input);
    if (value !== undefined) return value;
    context.issues.push({ code: "custom", message: `${shown(input)} ${hint}`, input });
    return z.NEVER;
  });
}

export const smarthost = () =>
  text(
    parseSmarthost,
    "is no smarthost; write smtp://user@smtp.example.net:587 or smtps://user@smtp.example.net (the password is in passwordFile)",
  );

export const address = () => text(parseAddress, "is no mail address; write bob@example.org");

export const nameServer = () =>
  text((input) => {
    const place = parsePlace(input, 53);
    return place !== undefined && isNetwork(place.host) ? input : undefined;
  }, 'is no name server; write "192.0.2.53", "192.0.2.53:5353" or "[2001:db8::53]"');

export const outboundIn = (folder: string) =>
  z
    .strictObject({
      smarthost: smarthost()
        .optional()
        .describe("A host that sends all of it on: smtp://user@host:587, smtps://user@host."),
      passwordFile: file(folder).optional().describe("A file with the smarthost's password, on one line."),
      tls: z
        .enum(["starttls", "implicit", "none"])
        .optional()
        .describe("To the smarthost, if other than its address says; none: only on this host and in tests."),
      ca: file(folder).optional().describe("The CA of the smarthost's certificate, PEM; else the system's."),
      mx: z.literal(true).optional().describe("Instead of a smarthost: to the MX hosts of each domain."),
      mtaSts: z.boolean().default(true).describe("With mx: heed the MTA-STS policies of domains (RFC 8461)."),
      dns: z.array(nameServer()).default([]).describe("With mx: the name servers to ask; else the system's."),
      expire: duration()
        .prefault("5d")
        .describe("How long a message is tried before it goes back to its sender."),
      warnAfter: duration().prefault("4h").describe("When the sender is told that a message is late."),
      connections: count().default(50).describe("Messages under way at once, in all."),
      perDestination: count()
        .default(5)
        .describe("Messages under way at once, to one domain or the smarthost."),
      perMinute: count()
        .optional()
        .describe("Messages to one domain, or the smarthost, in a minute; else as many as it takes."),
    })
    .superRefine(({ smarthost: host, mx, passwordFile }, context) => {
      const wrong = (message: string) => context.issues.push({ code: "custom", message, input: undefined });
      if (host === undefined && mx === undefined)
        wrong('it has no way out; write smarthost: "smtp://user@smtp.example.net:587", or mx: true');
      if (host !== undefined && mx !== undefined) wrong("it has both smarthost and mx; take one out");
      if (host?.user !== undefined && passwordFile === undefined)
        wrong("the smarthost's user has no password; write passwordFile: …");
    });

/** A customer's part: in whose name it sends, how much, who signs, and who is told. */
export const sendingIn = (folder: string) => ({
  senders: z
    .union([z.literal("any"), z.array(addressPattern())], {
      error: () => 'this is neither; write any, or a list such as ["*@lists.example.net"]',
    })
    .default([])
    .describe("In whose names it may send beside its own domains: any, or a list with globs."),
  sendPerHour: count().optional().describe("Recipients outside within an hour; else as many as it likes."),
  dkim: z
    .strictObject({
      selector: text(
        (input) => (isDomain(`${input}.example`) ? input : undefined),
        "is no selector; write a word such as odmr2026",
      ).describe("The name of the key in DNS: selector._domainkey.example.org."),
      key: file(folder).describe("The private key (RSA), PEM."),
      domains: z.array(domain()).optional().describe("Which of its domains are signed; else all."),
    })
    .optional()
    .describe("Sign what it sends to the world (DKIM)."),
  notify: address()
    .optional()
    .describe("Who is warned before its mail expires; else the postmaster of its first domain."),
  etrn: z
    .strictObject({
      host: z.string().min(1, "it is empty; write the host").describe("Its own mail server."),
      port: count().default(25).describe("The port there."),
      tls: z
        .enum(["starttls", "implicit", "none"])
        .default("starttls")
        .describe("none: only on this host and in tests."),
      pin: fingerprint()
        .optional()
        .describe("Its very certificate, by its SHA-256 fingerprint; else the system's CAs."),
    })
    .optional()
    .describe("Its own host, for ETRN after login at the odmr door: then we deliver there (RFC 1985)."),
});
