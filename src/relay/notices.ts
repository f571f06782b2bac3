/** Notices that are owed become mail: to senders whose messages go no further, to owners whose mail nobody calls for. */
// The spool keeps the debts and takes the payment with the notice, in one commit: each is sent once, whatever dies when.
import { composeNotice } from "../mail/bounce.ts";
import { composeWarning } from "../mail/warning.ts";
import { pause } from "../platform/clock.ts";
import type { Ageing, Owed, Payment } from "../spool/spool.ts";
import { type Address, isAscii } from "../wire/address.ts";
import type { Place } from "./accept.ts";
import { Bell } from "./bell.ts";
import type { Customer } from "./customers.ts";
import type { Relay } from "./relay.ts";
import { placeOfLetter, type Ways } from "./routes.ts";

/** What letters need of a relay. */
type Desk = Pick<Relay, "hostname" | "spool" | "clock" | "random" | "log" | "book">;

/**
 * Whether a refusal may be final: its sender can be told, or is nobody (a bounce is never bounced). Otherwise a refused
 * recipient is held with its reply, for an operator to decide: its sender has had our 250.
 */
export function canTell(sender: Address, customer: string, ways: Ways): boolean {
  return sender === "" || placeOfLetter(sender, customer, ways) !== undefined;
}

/** How long until debts and ages are looked at though nothing was heard, and the least time between two looks. */
const LOOK = 60_000;
const REST = 250;

/** Sends what is owed, as soon as it is. @param latest the relay as it is now */
export async function correspond(latest: () => Relay): Promise<void> {
  const { spool, clock, log, stopping } = latest();
  const bell = new Bell(clock, stopping);
  const deaf = spool.onChange(() => bell.ring());
  try {
    while (!stopping.aborted) {
      try {
        await sendNotices(latest());
        await sendWarnings(latest());
      } catch (fault) {
        log.log("error", "notices failed", { why: fault instanceof Error ? fault.message : String(fault) });
      }
      await pause(clock, REST, stopping);
      await bell.heard(LOOK);
    }
  } finally {
    deaf();
  }
}

const BATCH = 32;

/** Writes all the notices that are owed now. @throws SpoolError */
export async function sendNotices(desk: Desk): Promise<void> {
  for (let progress = true; progress; ) {
    progress = false;
    for (const owed of await desk.spool.owed(BATCH)) if (await tell(desk, owed)) progress = true;
  }
}

/** @returns whether this debt is gone */
async function tell(desk: Desk, owed: Owed): Promise<boolean> {
  const { spool, log, hostname, clock, random, book } = desk;
  const pays: Payment = { notices: owed.notices };
  const to = owed.envelope.from;
  const place = placeOfLetter(to, owed.lane.customer, book);
  if (place === undefined) {
    log.log("warn", "nobody told", { id: owed.id, to, why: "there is no way to the sender" });
    await spool.forgive(pays);
    return true;
  }
  const notice = { ...owed, hostname, id: letterId(random), at: clock.now() };
  const { bytes, eightBit } = await composeNotice(notice);
  return post(desk, { to, place, bytes, eightBit, pays, about: [owed.id] });
}

/** Owners are warned when three days are left, or a quarter of the hold time where that is less. */
const LEFT = 3 * 86_400_000;
const WARNED = 1_000;

/** Warns the owners of what expires soon. @throws SpoolError */
export async function sendWarnings(desk: Desk): Promise<void> {
  const { spool, clock, book } = desk;
  const now = clock.now();
  const ageing = await spool.ageing(now + LEFT, WARNED);
  for (const [name, messages] of Map.groupBy(ageing, ({ customer }) => customer)) {
    const customer = book.customers.named(name);
    if (customer === undefined) continue;
    const soon = messages.filter(({ expires }) => expires - now <= customer.hold / 4);
    if (soon.length > 0) await warn(desk, customer, soon);
  }
}

async function warn(desk: Desk, customer: Customer, messages: readonly Ageing[]): Promise<void> {
  const { spool, log, hostname, clock, random, book } = desk;
  const { name } = customer;
  const pays: Payment = { warned: messages.map(({ id }) => id) };
  const to = customer.notify ?? `postmaster@${customer.domains[0] ?? ""}`;
  const place = placeOfLetter(to, name, book);
  log.log("warn", "expires soon", { customer: name, messages: messages.length });
  if (place === undefined) return spool.forgive(pays);
  const letter = { hostname, id: letterId(random), at: clock.now(), to, customer: name, messages };
  const bytes = await composeWarning(letter);
  await post(desk, { to, place, bytes, eightBit: false, pays, about: [] });
}

interface Letter {
  readonly to: Address;
  readonly place: Place;
  readonly bytes: Uint8Array;
  readonly eightBit: boolean;
  readonly pays: Payment;
  /** The messages that it is about. */
  readonly about: readonly string[];
}

/** From nobody, and nobody is told what becomes of it (RFC 3461 §6.2). @returns whether the debt is gone */
async function post({ spool, clock, log, hostname }: Desk, letter: Letter): Promise<boolean> {
  const { to, place, bytes, eightBit, pays, about } = letter;
  const now = clock.now();
  const draft = spool.begin({
    envelope: { from: "", smtputf8: !isAscii(to), body: eightBit ? "8BITMIME" : "7BIT" },
    postings: [
      { lane: place.lane, recipients: [{ address: to, notify: ["NEVER"] }], expires: now + place.hold },
    ],
    source: { protocol: "notice", peer: hostname },
    arrived: now,
    trace: () => "",
    pays,
  });
  await draft.write(bytes);
  const committed = await draft.commit({});
  if (committed.type === "stored")
    for (const id of committed.ids) log.log("info", "noticed", { id, to, about });
  return committed.type === "stored" || committed.type === "had";
}

function letterId(random: Desk["random"]): string {
  return Array.from(random.bytes(12), (octet) => octet.toString(16).padStart(2, "0")).join("");
}
