/** The part of the configuration about certificates that are had from a certificate authority by ACME (RFC 8555). */
import { isIP } from "node:net";
import { z } from "zod";
import { duration, endpoint, file } from "./fields.ts";
import { isHostname } from "./names.ts";
import { address } from "./outgoing.ts";
import { shown } from "./shown.ts";

/** Directories that have a name, and where one rehearses. */
const CAS: Readonly<Record<string, string>> = {
  letsencrypt: "https://acme-v02.api.letsencrypt.org/directory",
  "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
  zerossl: "https://acme.zerossl.com/v2/DV90",
  google: "https://dv.acme-v02.api.pki.goog/directory",
  "google-staging": "https://dv.acme-v02.test-api.pki.goog/directory",
};

/** The URL of a directory, or of one with a name; plain HTTP only on this host. */
export function parseDirectory(text: string): string | undefined {
  if (Object.hasOwn(CAS, text)) return CAS[text];
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname } = new URL(text);
  const here = ["127.0.0.1", "[::1]", "localhost"].includes(hostname);
  return protocol === "https:" || (protocol === "http:" && here) ? text : undefined;
}

/** The name of a directory that has one, else its URL. */
export const directoryName = (url: string): string =>
  Object.entries(CAS).find(([, each]) => each === url)?.[0] ?? url;

/** The directory in which one rehearses what would be asked of this one; undefined: it has none that is known. */
export const stagingOf = (url: string): string | undefined => CAS[`${directoryName(url)}-staging`];

export const acmeIn = (folder: string) =>
  z
    .strictObject({
      agree: z
        .literal(true, { error: () => "read the terms of service of the CA, and write agree: true" })
        .describe("That you agree to the CA's terms of service."),
      names: z
        .array(certified())
        .min(1, "it is empty; write [relay.example.net], or take it out")
        .optional()
        .describe(
          "Whose certificate it is: host names, *.example.net, addresses; the hostname above, if nothing is said.",
        ),
      contact: address().optional().describe("Where the CA may write to."),
      directory: directory()
        .prefault("letsencrypt")
        .describe(`The CA: ${Object.keys(CAS).join(", ")}, or the URL of its directory.`),
      challenge: z
        .enum(["http", "alpn", "dns"])
        .default("http")
        .describe(
          "How the names are proved: http (the CA asks on port 80), alpn (on port 443) or dns (a record that a program of yours makes).",
        ),
      listen: endpoint()
        .optional()
        .describe(
          'Where the CA\'s questions are answered; "[::]:80" with http and "[::]:443" with alpn, if nothing is said.',
        ),
      dns: z
        .strictObject({
          set: words().describe(
            "The program that makes the record, as a list of words; {name} and {value} in them are its name and its text.",
          ),
          clear: words().optional().describe("The same, to take it out again."),
          wait: duration()
            .prefault("30s")
            .describe(
              "How long it takes from the end of that program until every server of the zone has it.",
            ),
        })
        .optional()
        .describe("With challenge: dns."),
      externalAccount: z
        .strictObject({
          id: z
            .string()
            .min(1, "it is empty; write the key identifier that the CA gave you")
            .describe("Its key identifier, as the CA gave it."),
          key: z
            .strictObject({ file: file(folder).describe("Its name.") })
            .describe("A file with its HMAC key, on one line."),
        })
        .optional()
        .describe("An account that the CA knows from elsewhere, where it wants one."),
      profile: z
        .string()
        .min(1, "it is empty; write a profile that the CA names, such as shortlived")
        .optional()
        .describe("Which kind of certificate, where the CA has several."),
      ca: file(folder)
        .optional()
        .describe("The CA of the directory's own certificate, PEM, where it is your own; else the system's."),
      after: words()
        .optional()
        .describe(
          "A program to run when the certificate is another; ODMR_CERTIFICATE is the file with it and its key.",
        ),
    })
    .superRefine(({ challenge, dns, names = [], listen }, context) => {
      const wrong = (path: string, message: string) =>
        context.issues.push({ code: "custom", message, input: undefined, path: [path] });
      if (challenge === "dns" && dns === undefined)
        wrong("challenge", 'who makes the record? write dns: { set: [program, "{name}", "{value}"] }');
      if (challenge !== "dns" && dns !== undefined)
        wrong("dns", "it is for challenge: dns; take one of the two out");
      if (challenge === "dns" && listen !== undefined)
        wrong("listen", "with challenge: dns nobody asks; take it out");
      for (const name of names)
        if (name.startsWith("*.") && challenge !== "dns")
          wrong("names", `${name} can be proved by challenge: dns only`);
    });

const certified = () =>
  z
    .string()
    .refine(
      (name) => isHostname(name.replace(/^\*\./, "")) || isIP(name) !== 0,
      "this is no host name; write relay.example.net",
    );

const directory = () =>
  z.string().transform((text, context): string => {
    const url = parseDirectory(text);
    if (url !== undefined) return url;
    const message = `${shown(text)} is no directory; write ${Object.keys(CAS)[0]}, or https://…`;
    context.issues.push({ code: "custom", message, input: text });
    return z.NEVER;
  });

const words = () =>
  z
    .array(z.string().min(1, "a word is empty"))
    .min(1, 'it is empty; write ["/usr/local/bin/program", "word"]');
