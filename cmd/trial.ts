/** The first message of a house: it goes to the relay as mail to ourselves, and has to come back by a call. */
// It goes the way of all mail: what the relay says of it, and what the target says of it, is what is told.
import { lineDelivery } from "../src/delivery/line.ts";
import type { Log } from "../src/platform/log.ts";
import { logIn } from "../src/relay/login.ts";
import type { EmbeddedSpool } from "../src/spool/front.ts";
import type { Address } from "../src/wire/address.ts";
import { replyLine } from "../src/wire/reply.ts";
import type { Plan } from "./account.ts";
import { callerOf, deskOf, runPlan } from "./errand.ts";
import { type Status, status } from "./exit.ts";

export interface Trial {
  readonly status: Status;
  /** What became of the message, as the end of a sentence. */
  readonly outcome: string;
  /** It came, and its target did not take it. */
  readonly atTarget?: boolean;
}

interface Trying {
  readonly plan: Plan;
  readonly spool: EmbeddedSpool;
  readonly log: Log;
  readonly to: Address;
  /** Tells this message from all others. */
  readonly mark: string;
  readonly now: number;
}

export async function tryOut(trying: Trying): Promise<Trial> {
  const { plan, spool, log } = trying;
  const desk = deskOf(plan, spool, log);
  const caller = callerOf(desk);
  const talk = await logIn(plan.account, { ...caller, connect: (tls) => caller.dial(plan.account, tls) });
  const body = new TextEncoder().encode(letter(trying));
  const { to, mark } = trying;
  const delivery = lineDelivery(talk, { compatibility: "auto" });
  const [sent] = await delivery.deliver({
    id: "",
    envelope: { from: to, smtputf8: false, recipients: [{ address: to, notify: [] }] },
    size: body.length,
    arrived: trying.now,
    content: () => [body],
  });
  await delivery.close();
  if (sent?.result !== "delivered")
    return later(`was not taken by the relay: ${sent === undefined ? "no answer" : replyLine(sent.reply)}`);
  const { report } = await runPlan(desk);
  for await (const entry of spool.list({ recipient: to, gone: true, sort: "newest" })) {
    if (entry.subject !== subject(mark)) continue;
    const [recipient] = entry.recipients;
    if (recipient?.state === "delivered")
      return { status: status.ok, outcome: "went to the relay and came back" };
    const why = recipient?.reply ?? "no reason is known";
    return { ...later(`came back, and its target does not take it: ${why}`), atTarget: true };
  }
  return later(`went to the relay, and did not come back: ${report.error ?? "the relay has no mail for us"}`);
}

const later = (outcome: string): Trial => ({ status: status.tempFail, outcome });

const subject = (mark: string): string => `odmr join: it works (${mark})`;

const letter = ({ plan, to, mark, now }: Trying): string =>
  [
    `Date: ${new Date(now).toUTCString().replace("GMT", "+0000")}`,
    `From: <${to}>`,
    `To: <${to}>`,
    `Message-ID: <${mark}@${plan.account.hostname}>`,
    `Subject: ${subject(mark)}`,
    "Auto-Submitted: auto-generated",
    "",
    `This message went from ${plan.account.hostname} to ${plan.account.host}, waited there, and came back by a call:`,
    "so will all mail for your addresses.",
    "",
  ].join("\r\n");
