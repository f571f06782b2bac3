/** The part of the configuration about what is looked at before mail is let in. */
// All of it is off until it is written; what is written marks mail, and refuses only where that is written too.
import { z } from "zod";
import { count, domain, duration, endpoint, file, network, size } from "./fields.ts";
import { nameServer } from "./outgoing.ts";

const act = () => z.enum(["mark", "defer", "refuse"]).default("mark");

export const checksIn = (folder: string) =>
  z.strictObject({
    at: z
      .array(z.enum(["intake", "lmtp", "submission"]))
      .min(1, "it is empty; write [intake], or take checks out")
      .default(["intake"])
      .describe(
        "The services whose mail is looked at; by lmtp, who sent it is read from its first Received field.",
      ),
    trusted: z
      .array(network())
      .default([])
      .describe("Whose connections and mail are not looked at, such as a second relay of yours."),
    dns: z.array(nameServer()).default([]).describe("The name servers to ask; else the system's."),
    greetingDelay: duration()
      .optional()
      .describe("How long the greeting waits at intake: a program that speaks before it is sent away."),
    reverseName: z
      .enum(["no", "mark", "defer", "refuse"])
      .default("no")
      .describe("When no name in DNS leads back to a connection's address; no: do not ask."),
    blocklists: z
      .array(blocklist())
      .default([])
      .describe("Lists in DNS (RFC 5782) that are asked about a connection's address."),
    listed: act().describe("When the weights of the lists that an address is on reach listedFrom."),
    listedFrom: count().default(1).describe("The sum of weights from which on an address counts as listed."),
    timeout: duration()
      .prefault("8s")
      .describe("For each answer about a connection's address; a list that does not answer says nothing."),
    authentication: authentication()
      .optional()
      .describe("Read SPF, DKIM, ARC and DMARC, and write what was found into Authentication-Results."),
    rspamd: rspamdIn(folder)
      .optional()
      .describe("Show every message to rspamd (its normal worker), and do what it says."),
  });

const rspamdIn = (folder: string) =>
  z.strictObject({
    at: endpoint().describe("Its worker, host:port or unix:/path; 127.0.0.1:11333 with Debian's package."),
    password: z
      .strictObject({ file: file(folder).describe("Its name.") })
      .optional()
      .describe("A file with the password that it asks for, on one line."),
    timeout: duration().prefault("30s").describe("How long it may take for one message."),
    size: size().prefault("20MiB").describe("Larger messages are not shown to it."),
    whenDown: z
      .enum(["accept", "defer"])
      .default("accept")
      .describe("What becomes of mail while it does not answer: accept, or defer (the sender tries again)."),
  });

const blocklist = () =>
  z.strictObject({
    zone: domain().describe(
      "The list, such as zen.spamhaus.org; some want to be asked by a resolver of your own.",
    ),
    answers: z
      .array(network())
      .min(1, 'it is empty; write ["127.0.0.2/31"]')
      .default(["127.0.0.0/8"])
      .describe("Answers that count; 127.255.255.x, by which lists say that they refuse you, never does."),
    weight: z
      .number({ error: () => "is not a number; write it without quotes" })
      .int()
      .default(1)
      .describe("What it adds; less than 0 for a list of the good."),
  });

const authentication = () =>
  z.strictObject({
    dmarcReject: act().describe("When DMARC fails and the domain in From asks to reject."),
    dmarcQuarantine: act().describe("When DMARC fails and the domain in From asks for quarantine."),
    spfFail: act().describe("When SPF says fail, whatever else passes; forwarded mail often does."),
    trouble: z
      .enum(["mark", "defer"])
      .default("mark")
      .describe("When DNS does not answer; nothing is refused for good then."),
    arcSealers: z
      .array(domain())
      .default([])
      .describe("Lists and forwarders whose ARC seal is believed: their mail is not acted on for DMARC."),
    size: size()
      .prefault("50MiB")
      .describe("Larger messages have their signatures not read, and are only marked."),
    timeout: duration().prefault("20s").describe("For all of one message's questions to DNS."),
  });
