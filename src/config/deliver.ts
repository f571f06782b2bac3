/** The part of the configuration about mail at home: the rules of distribution, and the way out. */
import { z } from "zod";
import {
  addressPattern,
  duration,
  endpoint,
  file,
  minutes,
  network,
  size,
  target,
  targets,
  timezone,
} from "./fields.ts";
import { isFieldName } from "./names.ts";
import { address, smarthost } from "./outgoing.ts";

/** One rule of `deliver`. */
export const ruleIn = (folder: string) =>
  z
    .strictObject({
      match: addressPattern().describe('Recipients: bob@example.org, *@example.org, or "*".'),
      from: addressPattern().optional().describe("Only mail of these senders."),
      largerThan: size().optional().describe("Only larger mail."),
      smallerThan: size().optional().describe("Only smaller mail."),
      header: z
        .strictObject({
          name: z
            .string()
            .refine(isFieldName, "this is no name of a field; write List-Id")
            .describe("The field: List-Id, Subject, or another."),
          matches: z.string().describe('What its text is like, with * and ?: "*.lists.example.net*".'),
        })
        .optional()
        .describe("Only mail with a field like this."),
      to: targets(folder)
        .optional()
        .describe(
          "lmtp://host:port, lmtp:/socket, smtp://host:port, maildir:/path, mbox:/path, command:[…]; a list is for copies.",
        ),
      redirect: address()
        .optional()
        .describe("Instead of to: it is for this address, and goes on through the rules, or out."),
      otherwise: target(folder).optional().describe("Where mail goes that the target refuses for good."),
      during: minutes()
        .optional()
        .describe('It waits for these minutes: "* 8-18 * * 1-5" is from 8:00 to 18:59 on workdays.'),
      timezone: timezone().optional().describe("Whose hours; without it the account's."),
    })
    .superRefine(({ to, redirect, otherwise, during }, context) => {
      const wrong = (message: string) => context.issues.push({ code: "custom", message, input: undefined });
      if (to === undefined && redirect === undefined)
        wrong(
          'it leads nowhere; write to: "maildir:/var/mail/{domain}/{local}", or redirect: bob@example.org',
        );
      if (to !== undefined && redirect !== undefined) wrong("it has both to and redirect; take one out");
      if (redirect !== undefined && (otherwise ?? during) !== undefined)
        wrong("redirect takes no otherwise and no during; the rule that it leads to may have them");
    });

/** `pull.outgoing`. */
export const homeOutgoing = () =>
  z.strictObject({
    listen: endpoint()
      .optional()
      .describe("Where the mail server at home hands mail in, host:port or unix:/path; sendmail needs none."),
    networks: z
      .array(network())
      .default(["127.0.0.0/8", "::1"])
      .describe("Who may connect there: this host, if nothing is said."),
    via: z.string().describe("The account whose calls take it along."),
    from: z.array(addressPattern()).optional().describe("Only senders like these may send; else all."),
    messageSize: size().prefault("50MiB").describe("The largest message, announced as SIZE."),
    expire: duration()
      .prefault("5d")
      .describe("How long a message is tried before it goes back to its sender."),
    warnAfter: duration().prefault("4h").describe("When the sender is told that a message is late."),
  });

/** An account's `smarthost`: its address alone, or with what the login needs. */
export const accountSmarthost = (folder: string) =>
  z.union(
    [
      smarthost().transform((at) => ({ at })),
      z.strictObject({
        at: smarthost().describe("smtp://user@host:587 or smtps://user@host."),
        password: z
          .strictObject({ file: file(folder).describe("Its name.") })
          .optional()
          .describe("A file with the password, on one line."),
        tls: z
          .enum(["starttls", "implicit", "none"])
          .optional()
          .describe("none: only on this host and in tests."),
        ca: file(folder).optional().describe("The CA of its certificate, PEM; else the system's."),
      }),
    ],
    {
      error: () =>
        'this is no smarthost; write { at: "smtp://user@smtp.example.net:587", password: { file: smarthost.secret } }',
    },
  );
