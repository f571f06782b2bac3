/** The part of the configuration about what is looked at before mail is let in. */
// All of it is off until it is written; what is written marks mail, and refuses only where that is written too.
import { z } from "zod";
import { domain, duration, network, size } from "./fields.ts";
import { nameServer } from "./outgoing.ts";

const act = () => z.enum(["mark", "defer", "refuse"]).default("mark");

export const checksIn = () =>
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
    authentication: authentication()
      .optional()
      .describe("Read SPF, DKIM, ARC and DMARC, and write what was found into Authentication-Results."),
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
