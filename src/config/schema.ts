/** The configuration: every key, what it takes, its default, and one sentence on it. */
// The one source: the types, the checks, `odmr init`'s comments and the JSON Schema for editors all come from here.

import { z } from "zod";
import { acmeIn } from "./acme.ts";
import { accountSmarthost, homeOutgoing, ruleIn } from "./deliver.ts";
import {
  addressPattern,
  count,
  domain,
  duration,
  endpoint,
  file,
  fingerprint,
  hostname,
  minutes,
  network,
  provider,
  size,
  spool,
  timezone,
} from "./fields.ts";
import { checksIn } from "./inspection.ts";
import { address, outboundIn, sendingIn } from "./outgoing.ts";

/** A configuration file as read: durations in milliseconds, sizes in octets, file names absolute. */
export type Settings = z.infer<ReturnType<typeof settingsIn>>;

/** @param folder what relative file names start from: the configuration file's folder */
export function settingsIn(folder: string) {
  return z.strictObject({
    hostname: hostname().describe(
      "The name this host has for others: in greetings, EHLO and Received fields.",
    ),
    spool: spool(folder).describe(
      "Where mail is held; made at the first start, with folders of its own beside it. Or, for several relays, postgres://user@host/database?schema=name&passwordFile=file, to which bodies=s3://bucket/prefix&endpoint=https://host&credentials=file may be added.",
    ),
    user: user()
      .optional()
      .describe(
        "Whom odmr becomes if root starts it, once its ports are open; it must be able to read this file and those named in it.",
      ),
    tls: tlsIn(folder).optional().describe("The certificate that the listeners show."),
    serve: serveIn(folder).optional().describe("What `odmr serve` does: the relay with a fixed address."),
    pull: pullIn(folder).optional().describe("What `odmr pull` does: the host at home that calls."),
    admin: adminIn(folder)
      .optional()
      .describe("The admin interface: within `odmr serve`, or by itself with `odmr admin-http`."),
  });
}

const tlsIn = (folder: string) =>
  z.strictObject({
    certificate: file(folder).optional().describe("The certificate with its chain, PEM."),
    key: file(folder).optional().describe("Its private key, PEM; only the owner may read it."),
    self: z
      .literal(true, { error: () => "write true, or take it out" })
      .optional()
      .describe(
        "Instead of both: odmr makes a key and a certificate at its first start, beside the spool; callers know it by its pin (odmr invite says it).",
      ),
    acme: acmeIn(folder)
      .optional()
      .describe(
        "Instead of both: odmr serve has a certificate from a CA by ACME (such as Let's Encrypt), and renews it.",
      ),
    clientCa: file(folder)
      .optional()
      .describe("The CA whose certificates customers may show (AUTH EXTERNAL)."),
    clientCrl: file(folder)
      .optional()
      .describe("What that CA has revoked, PEM: its full list, or one of each CA; read again at SIGHUP."),
  });

const serveIn = (folder: string) =>
  z.strictObject({
    listen: z
      .array(listener())
      .min(1, "it is empty; write at least one listener")
      .describe("Where to listen."),
    customers: z.array(customerIn(folder)).default([]).describe("Who may call, and for which domains."),
    customersFolder: file(folder)
      .optional()
      .describe(
        "A folder with further customers, one in each NAME.yaml; whoever comes by odmr invite is put there. Beside the spool, if nothing is said.",
      ),
    postmaster: address()
      .optional()
      .describe(
        "A customer's address that gets mail to <postmaster> and to this host's own; else the first customer's postmaster.",
      ),
    outbound: outboundIn(folder)
      .optional()
      .describe("How customers' mail to the world leaves; without it none does."),
    checks: checksIn(folder)
      .optional()
      .describe("What is looked at before mail is let in; without it nothing is."),
    limits: limits().prefault({}).describe("What one message, one address and all together may take."),
    auth: z
      .strictObject({
        cramMd5: z
          .boolean()
          .default(true)
          .describe(
            "Offer CRAM-MD5: old customers such as fetchmail know nothing else; without it passwords need TLS.",
          ),
      })
      .prefault({})
      .describe("How customers prove who they are."),
  });

const listener = () =>
  z.strictObject({
    service: z
      .enum(["odmr", "intake", "lmtp", "submission"])
      .describe(
        "odmr: customers call here; intake: SMTP from the world; lmtp: from a mail server beside us; submission: customers send here.",
      ),
    address: endpoint().describe("host:port, [v6]:port or unix:/path."),
    tls: z
      .enum(["starttls", "implicit", "none"])
      .optional()
      .describe("starttls where there is a certificate, else none; implicit: TLS from the first octet."),
    requireTls: z
      .boolean()
      .optional()
      .describe(
        "Refuse customers and mail before TLS; true for odmr and submission with starttls, else false.",
      ),
    networks: z
      .array(network())
      .optional()
      .describe("Who may connect; without it everybody, but for lmtp only this host."),
    connections: count()
      .optional()
      .describe(
        "At once, at this listener; without it as many as over all, but for intake nine tenths: strangers leave room to customers.",
      ),
    bareLineEnds: z
      .enum(["refuse", "normalise"])
      .default("refuse")
      .describe("A lone CR or LF in a message; normalise only for a mail server that you trust."),
  });

export const customerIn = (folder: string) =>
  z.strictObject({
    name: name().describe("The customer's name, and the user it authenticates as."),
    domains: z
      .array(domain())
      .min(1, "it is empty; write at least one domain")
      .describe("The domains it may ask for."),
    password: passwordIn(folder).optional().describe("A file with the password, on one line."),
    scram: z
      .string()
      .regex(
        /^SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$/,
        "this is no SCRAM verifier; make one with odmr passwd --scram",
      )
      .optional()
      .describe("Instead of the password: its verifier (no CRAM-MD5 then)."),
    certificate: clientCertificate()
      .optional()
      .describe("Its TLS certificate: the fingerprint, or a name by tls.clientCa."),
    recipients: z
      .union([z.literal("any"), z.array(addressPattern())], {
        error: () => 'this is neither; write any, or a list such as ["bob@example.org", "*@example.com"]',
      })
      .default("any")
      .describe("Which addresses of its domains exist: any, or a list with globs."),
    hold: duration().prefault("30d").describe("How long mail waits before it goes back to its sender."),
    quota: size().prefault("2GiB").describe("How much of it may wait at once."),
    compatibility: z
      .enum(["auto", "bdat", "plain"])
      .default("auto")
      .describe(
        "auto: what the customer announces; bdat: BDAT for foreign ones too; plain: line by line, for fetchmail.",
      ),
    order: z.enum(["oldest", "small"]).default("oldest").describe("What goes first in a turn."),
    ...sendingIn(folder),
  });

/** A fingerprint alone, `{ fingerprint }`, or `{ name }` for a certificate by tls.clientCa. */
const clientCertificate = () =>
  z.union(
    [
      fingerprint().transform((value) => ({ fingerprint: value })),
      z.strictObject({ fingerprint: fingerprint() }),
      z.strictObject({ name: z.string().min(1) }),
    ],
    { error: () => 'this is no certificate; write "sha256:…" (64 hex digits) or { name: home.example.org }' },
  );

const limits = () =>
  z.strictObject({
    messageSize: size().prefault("50MiB").describe("The largest message, announced as SIZE."),
    recipients: count()
      .min(100, "it must be 100 at least (RFC 5321 §4.5.3.1.8)")
      .default(1000)
      .describe("In one transaction."),
    wait: duration()
      .prefault("4m")
      .describe(
        "How long a customer stays on the line for one answer; routers forget silent lines after 5 minutes or less.",
      ),
    minimumRate: count()
      .default(500)
      .describe("Octets a second that a sender keeps up within a message; who stays below is cut off."),
    connections: count().default(1000).describe("At once, over all listeners."),
    perAddress: count().default(20).describe("At once, from one address, at one listener."),
    perCustomer: count().default(50).describe("Sessions of one customer at once, after its login."),
  });

const pullIn = (folder: string) =>
  z.strictObject({
    accounts: z
      .array(accountIn(folder))
      .min(1, "it is empty; write at least one account")
      .describe("The providers to call."),
    outgoing: homeOutgoing()
      .optional()
      .describe("Mail that leaves the house: it goes with the calls of an account, before mail is fetched."),
  });

const accountIn = (folder: string) =>
  z.strictObject({
    name: name().describe("What `odmr pull NAME` calls it."),
    provider: provider().describe("The relay, host or host:port; the port is 366."),
    tls: z
      .enum(["starttls", "implicit", "none"])
      .default("starttls")
      .describe("implicit: TLS from the first octet; none: only on this host and in tests."),
    user: z.string().min(1, "it is empty; write the user").optional().describe("Who we are to the provider."),
    password: passwordIn(folder).optional().describe("A file with the password, on one line."),
    ca: file(folder).optional().describe("The CA of the provider's certificate, PEM; else the system's."),
    pin: fingerprint()
      .optional()
      .describe("The provider's very certificate, by its SHA-256 fingerprint, instead of a CA."),
    certificate: z
      .strictObject({
        file: file(folder).describe("The certificate, PEM."),
        key: file(folder).describe("Its private key, PEM."),
      })
      .optional()
      .describe("Our own certificate, for AUTH EXTERNAL."),
    domains: z
      .array(domain())
      .min(1, "it is empty; write at least one domain")
      .describe("The domains that are taken from this provider."),
    askAll: z.boolean().default(false).describe("Ask for all that is ours instead of naming the domains."),
    hostname: hostname().optional().describe("Our name to this provider, if another than above."),
    deliver: z
      .array(ruleIn(folder))
      .min(1, 'it is empty; write [{ match: "*", to: "maildir:/var/mail/{domain}/{local}" }]')
      .describe("Where mail goes; the first rule that matches counts."),
    smarthost: accountSmarthost(folder)
      .optional()
      .describe("Where outgoing mail goes that the provider does not take with the call."),
    messageSize: size().prefault("50MiB").describe("The largest message that we take, announced as SIZE."),
    every: interval()
      .optional()
      .describe("How often odmr pull --daemon calls; 15m, if nothing else is said of when."),
    schedule: z
      .array(minutes())
      .min(1, 'it is empty; write ["*/10 8-20 * * 1-5", "0 * * * *"]')
      .optional()
      .describe("Instead of every: the minutes in which it calls, as cron has them."),
    jitter: duration()
      .optional()
      .describe(
        "How far by chance calls are from their times: so much later at most with schedule (20s, if nothing is said), so much either way with every (a twentieth of it); 0s: not at all.",
      ),
    follow: z
      .boolean()
      .default(false)
      .describe(
        "Stay on the line and take mail the moment it arrives, where the provider is an odmr too; else call by every.",
      ),
    timezone: timezone().optional().describe("Whose hours schedule and during mean; without it this host's."),
    limit: z
      .strictObject({
        messageSize: size().describe("Larger mail waits at the provider."),
        during: minutes().describe(
          'While this pattern of minutes fits: "* 8-20 * * *" is from 8:00 to 20:59.',
        ),
      })
      .optional()
      .describe("At some hours take only what is small; the announced SIZE stays what it is."),
    after: z
      .array(z.string().min(1, "a word is empty"))
      .min(1, 'it is empty; write ["/usr/local/bin/called"]')
      .optional()
      .describe(
        "A program to run after each call, as a list of words; ODMR_ACCOUNT, ODMR_RESULT and ODMR_MESSAGES tell it what was.",
      ),
    doubles: z
      .enum(["keep", "remove"])
      .default("keep")
      .describe(
        "The same mail by two relays within a day: keep both, or remove the second (it is logged, and in the history).",
      ),
  });

const interval = () =>
  duration().refine((ms) => ms >= 10_000, "it is too often; write 10s at least (or follow: true)");

const adminIn = (folder: string) =>
  z.strictObject({
    listen: endpoint()
      .prefault("127.0.0.1:8366")
      .describe("host:port, [v6]:port or unix:/path; keep it on this host, or put TLS before it."),
    token: passwordIn(folder).describe("A file with the token that may do everything, on one line."),
    readToken: passwordIn(folder).optional().describe("A file with a token that may only look."),
    hosts: z
      .array(hostname())
      .default([])
      .describe("Further names under which it is reached, such as the one of a proxy before it."),
  });

const passwordIn = (folder: string) =>
  z.strictObject(
    { file: file(folder).describe("Its name.") },
    {
      error: (issue) =>
        issue.code === "invalid_type"
          ? "it is not written here; write { file: /etc/odmr/home.secret }"
          : undefined,
    },
  );

const user = () =>
  z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/i, "this is no user of the system; write odmr")
    .refine((name) => name !== "root", "root is what it should not be; write odmr");

const name = () =>
  z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/,
      "this is no name; write letters, digits, . _ @ and -, such as home",
    );
