/** A relay in the middle of its day: customers of every kind, a day of mail and turns behind it, some of it unwell. */
// Made through the spool's own doors, by a clock that is moved by hand, so that the last day is as long as it says.

import type { RecordingSpool } from "../../src/spool/records.ts";
import type { Lane, Settlement } from "../../src/spool/spool.ts";
import { reply } from "../../src/wire/reply.ts";
import type { HandClock } from "../spool/support.ts";
import { HOLD, letterOf } from "./townsfolk.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const STEP = 10 * MINUTE;

export interface Town {
  readonly spool: RecordingSpool;
  readonly clock: HandClock;
}

const lane = (customer: string): Lane => ({ direction: "turn", customer });
const fine = reply(250, "2.0.0", "stored");
const later = reply(451, "4.3.0", "disk is being changed, try again in an hour");
const never = reply(550, "5.1.1", "no such user here");

/** Lets a day and a half pass; ends at the clock's present. */
export async function liveADay(town: Town, hours = 36): Promise<void> {
  const { clock } = town;
  const steps = (hours * HOUR) / STEP;
  for (let i = 0; i < steps; i++) {
    clock.sleep(STEP);
    await arrivals(town, i, hourAt(steps - i));
    if (i % 2 === 0) await turn(town, "bakery", 40);
    if (i % 6 === 3) await turn(town, "home", 30);
    if (i % 12 === 5 && i < steps * 0.72) await turn(town, "cabin", 10);
    if (i % 50 === 49) await lostLine(town, "home");
  }
  await somebodyActs(town);
}

/** It is five in the afternoon when the day ends, whenever a test is run: the same mail is left each time. */
const hourAt = (stepsLeft: number): number => (17 + 240 - Math.ceil((stepsLeft * STEP) / HOUR)) % 24;

/** More by day than by night; the same each time. */
async function arrivals(town: Town, step: number, hour: number): Promise<void> {
  const day = hour >= 6 && hour < 20 ? 4 : 1;
  const count = Math.floor((((step * 37) % 11) / 11) * (day + 1));
  for (let i = 0; i < count; i++) await arrive(town, step * 4 + i * 5);
}

async function arrive({ spool, clock }: Town, n: number): Promise<void> {
  const letter = letterOf(n);
  const draft = spool.begin({
    envelope: { from: letter.from, smtputf8: false },
    postings: [
      {
        lane: letter.customer === "" ? { direction: "outgoing", customer: "" } : lane(letter.customer),
        recipients: letter.to.map((address) => ({ address, notify: [] })),
        expires: clock.now() + HOLD,
      },
    ],
    source: { protocol: "ESMTPS", peer: letter.peer },
    arrived: clock.now(),
    trace: () => `Received: from ${letter.peer}\r\n`,
  });
  await draft.write(new TextEncoder().encode(letter.body));
  await draft.commit({ subject: letter.subject });
}

/** A customer calls and takes what is there, most of it. */
async function turn({ spool, clock }: Town, customer: string, most: number): Promise<void> {
  const running = spool.records.turn({ side: "provider", customer, peer: "203.0.113.17" });
  const tally = { delivered: 0, deferred: 0, refused: 0, octets: 0 };
  const claim = await spool.claim({ lane: lane(customer), lease: HOUR }, `town/${customer}`);
  if (typeof claim !== "string") {
    for (let i = 0; i < most; i++) {
      const held = await claim.next();
      if (held === undefined) break;
      clock.sleep(400);
      const settlements = held.envelope.recipients.map(({ address }) => settled(address, clock.now()));
      for (const { result } of settlements) if (result in tally) tally[result as "delivered"] += 1;
      tally.octets += held.size;
      await claim.settle(held, settlements);
    }
    await claim.release();
  }
  running.progress(tally);
  await running.end();
}

function settled(to: string, now: number): Settlement {
  if (to.startsWith("printer@")) return { to, result: "deferred", reply: later, due: now + HOUR };
  if (to.startsWith("former.")) return { to, result: "refused", reply: never };
  return { to, result: "delivered", reply: fine };
}

async function lostLine({ spool }: Town, customer: string): Promise<void> {
  const running = spool.records.turn({ side: "provider", customer, peer: "203.0.113.17" });
  await running.end("the line was lost");
}

/** An operator holds what looks odd, removes one, and leaves rules behind. */
async function somebodyActs({ spool }: Town): Promise<void> {
  const by = { name: "cli:root", reason: "looks like a scam, asked the customer" };
  await done(spool.act({ type: "hold" }, { sender: "*@prize.example" }, by));
  const ids = await done(
    spool.act({ type: "hold" }, { customer: "school", limit: 2 }, { ...by, reason: "too large" }),
  );
  await done(
    spool.act({ type: "remove" }, { ids: ids.slice(0, 1) }, { ...by, reason: "asked for by the sender" }),
  );
  await spool.records.addHoldRule({
    sender: "*@prize.example",
    reason: "scam of November",
    actor: "cli:root",
  });
  await spool.records.addHoldRule({
    ...{ customer: "school", largerThan: 50_000_000, reason: "their line is slow", actor: "api:admin" },
  });
}

async function done<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
