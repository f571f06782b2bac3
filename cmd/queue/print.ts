/** Entries as people and programs read them: tables, plain lines, JSON Lines. */
// JSON has the contract's fields and no others; what is unknown is null, so that a program need not look for it.
import type { Instant } from "../../src/platform/clock.ts";
import type { NodeRecord } from "../../src/spool/records.ts";
import type { Entry, SpoolEvent } from "../../src/spool/spool.ts";
import type { Address } from "../../src/wire/address.ts";
import {
  ageText,
  coloured,
  dim,
  left,
  right,
  type Screen,
  safe,
  shortAddress,
  shortened,
  sizeText,
  widthOf,
} from "../table.ts";

/** RFC 3339 in UTC. */
export const time = (at: Instant): string => new Date(at).toISOString();

export const shownSender = (sender: Address): string => (sender === "" ? "<>" : safe(sender));

export function entryJson(entry: Entry): string {
  const { id, direction, customer, state, sender, size, arrived, expires, subject, source } = entry;
  return JSON.stringify({
    ...{ id, direction, customer, state, sender },
    recipients: entry.recipients.map(({ address, state, attempts, nextAttempt, reply }) => ({
      ...{ address, state, attempts },
      nextAttempt: nextAttempt === undefined ? null : time(nextAttempt),
      reply: reply ?? null,
    })),
    ...{ size, arrived: time(arrived), expires: time(expires), subject },
    source: { protocol: source.protocol, peer: source.peer, auth: source.auth ?? null },
  });
}

export function eventJson({ at, id, recipient, what, actor, reason }: SpoolEvent): string {
  return JSON.stringify({ at: time(at), id, recipient: recipient ?? null, what, actor, reason });
}

export function eventLine({ at, id, recipient, what, actor, reason }: SpoolEvent): string {
  const words = [time(at), id, what, recipient ?? "-", actor, reason];
  return words.map(safe).join(" ").trimEnd();
}

export function nodeJson({ name: node, id, actor, version, started, seen, alive }: NodeRecord): string {
  return JSON.stringify({ node, id, actor, version, started: time(started), seen: time(seen), alive });
}

const inNodeColumns = (name: string, actor: string, version: string): string =>
  `${left(name, 24)}  ${left(actor, 10)}  ${left(version, 9)}  `;

export const nodeHead = `${inNodeColumns("NODE", "PROGRAM", "VERSION")}STATE`;

export function nodeRow({ name, actor, version, started, seen, alive }: NodeRecord): string {
  const state = alive ? `at work since ${time(started)}` : `not seen since ${time(seen)}`;
  return inNodeColumns(safe(name), safe(actor), safe(version)) + state;
}

/** One line for each entry, nothing shortened, for pipes. */
export function entryLine(entry: Entry): string {
  const { id, state, direction, customer, size, arrived, sender, recipients, subject } = entry;
  const to = recipients.map(({ address }) => safe(address)).join(",");
  const words = [
    id,
    state,
    direction,
    customer,
    String(size),
    time(arrived),
    sender === "" ? "<>" : sender,
    to,
    subject,
  ];
  return words.map(safe).join("\t");
}

const STATE = 9;
const SIZE = 5;
const AGE = 4;
const GAPS = 10;

/** How wide each column is on this screen. */
interface Columns {
  readonly customer: number;
  readonly from: number;
  readonly to: number;
}

function columnsFor(width: number): Columns {
  const room = Math.max(0, width - STATE - SIZE - AGE - GAPS);
  const customer = Math.min(12, Math.floor(room / 5));
  const from = Math.floor((room - customer) / 2);
  return { customer, from, to: room - customer - from };
}

/** The line over the table. */
export function tableHead(width: number): string {
  const { customer, from } = columnsFor(width);
  const words = [left("STATE", STATE), right("SIZE", SIZE), right("AGE", AGE), left("CUSTOMER", customer)];
  return shortened([...words, left("FROM", from), "TO"].join("  "), width);
}

/** An entry in two lines that fit: what it is, and below its id and subject. */
export function tableRow(entry: Entry, now: Instant, screen: Screen): string {
  const width = screen.columns ?? 80;
  const columns = columnsFor(width);
  const facts = [
    right(sizeText(entry.size), SIZE),
    right(ageText(now - entry.arrived), AGE),
    left(shortened(safe(entry.customer), columns.customer), columns.customer),
    left(shortAddress(shownSender(entry.sender), columns.from), columns.from),
    recipientsIn(entry, columns.to),
  ].join("  ");
  const state = coloured(left(entry.state, STATE), entry.state, screen);
  const above = `${state}  ${facts}`.trimEnd();
  const below = shortened(`  ${entry.id}  ${safe(entry.subject)}`.trimEnd(), width);
  return `${above}\n${dim(below, screen)}`;
}

function recipientsIn({ recipients }: Entry, width: number): string {
  const more = recipients.length > 1 ? ` +${recipients.length - 1}` : "";
  return shortAddress(safe(recipients[0]?.address ?? ""), width - widthOf(more)) + more;
}

/** All that is known of an entry. */
export function entryInFull(entry: Entry, screen: Screen): string {
  const { source } = entry;
  const from = [source.protocol, source.peer, source.auth && `as ${source.auth}`].filter(Boolean).join(" ");
  const facts: readonly (readonly [string, string])[] = [
    ["id", entry.id],
    ["state", coloured(entry.state, entry.state, screen)],
    ["direction", `${entry.direction} ${safe(entry.customer)}`],
    ["sender", shownSender(entry.sender)],
    ["subject", safe(entry.subject)],
    ["size", `${entry.size} (${sizeText(entry.size)})`],
    ["arrived", time(entry.arrived)],
    ["expires", time(entry.expires)],
    ["source", safe(from)],
  ];
  const recipients = entry.recipients.map(({ address, state, attempts, nextAttempt, reply }) => {
    const tries = attempts === 0 ? [] : [`${attempts} ${attempts === 1 ? "attempt" : "attempts"}`];
    const next = nextAttempt === undefined ? [] : [`next ${time(nextAttempt)}`];
    const said = [coloured(state, state, screen), ...tries, ...next].join(", ");
    return [
      "recipient",
      `${safe(address)}  ${said}${reply === undefined ? "" : `\n${" ".repeat(13)}${safe(reply)}`}`,
    ] as const;
  });
  return [...facts, ...recipients].map(([name, value]) => `${left(name, 9)}  ${value}`.trimEnd()).join("\n");
}
