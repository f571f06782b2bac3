/** The letter to the owner of mail that nobody has called for: it goes back to its senders soon. */
import type { Instant } from "../platform/clock.ts";
import type { Address } from "../wire/address.ts";
import { begin, clean, finish, type Letter } from "./letter.ts";
import { mailDate } from "./trace.ts";

export interface Ageing {
  readonly from: Address;
  readonly subject: string;
  readonly expires: Instant;
}

export interface Warning extends Omit<Letter, "subject"> {
  readonly customer: string;
  readonly messages: readonly Ageing[];
}

/** Lines in one letter; of more there is only the count. */
const LISTED = 50;

export async function composeWarning(warning: Warning): Promise<Uint8Array> {
  const { messages, customer, hostname } = warning;
  const many = messages.length === 1 ? "1 message waits" : `${messages.length} messages wait`;
  const root = await begin(
    { ...warning, subject: `${many} for you and will go back soon` },
    "text/plain; charset=utf-8",
  );
  const lines = messages
    .slice(0, LISTED)
    .map(({ from, subject, expires }) => `  until ${mailDate(expires)}  <${from}>  ${shown(subject)}`);
  const more = messages.length > LISTED ? [`  … and ${messages.length - LISTED} more`] : [];
  root.setContent(
    [
      `This is the mail system at ${hostname}.`,
      "",
      `${many} here for the customer ${clean(customer)}, and nobody has called for it.`,
      "Call before its time is over, or it goes back to its senders:",
      "",
      ...lines,
      ...more,
      "",
    ].join("\r\n"),
  );
  return finish(root);
}

const shown = (subject: string): string => subject.slice(0, 100).replace(/[\p{C}]/gu, "?");
