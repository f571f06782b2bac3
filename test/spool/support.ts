/** What the spool's tests share: a folder of their own, a clock that is moved by hand, a seeded chance, messages. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, Instant, Timer } from "../../src/platform/clock.ts";
import type { Random } from "../../src/platform/random.ts";
import type { RecordingSpool } from "../../src/spool/records.ts";
import type { Acceptance, Committed, Lane, MessageId, Posting, Spool } from "../../src/spool/spool.ts";

export const START: Instant = Date.UTC(2026, 0, 2, 3, 4, 5);
export const MINUTE = 60_000;
export const DAY = 86_400_000;

/** Time that passes only when told; timers ring on the way. */
export class HandClock implements Clock {
  #now = START;
  #timers: { readonly at: Instant; readonly ring: () => void }[] = [];

  now(): Instant {
    return this.#now;
  }

  steady(): number {
    return this.#now - START;
  }

  after(ms: number, ring: () => void): Timer {
    const timer = { at: this.#now + ms, ring };
    this.#timers.push(timer);
    return {
      stop: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Time passes and no timer rings, as for a process that was stopped. */
  sleep(ms: number): void {
    this.#now += ms;
  }

  pass(ms: number): void {
    this.#now += ms;
    const rung = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { ring } of rung) ring();
  }
}

/** The same chance for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { fraction, bytes: (count) => new Uint8Array(count).map(() => Math.floor(fraction() * 256)) };
}

/** A temporary folder that is removed by its `remove`. */
export function temporary(place = tmpdir()): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(place, "odmr-spool-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export const HOME: Lane = { direction: "turn", customer: "home" };
export const WORK: Lane = { direction: "turn", customer: "work" };
export const OUT: Lane = { direction: "outgoing", customer: "home" };

export const text = (s: string): Uint8Array => new TextEncoder().encode(s);

export async function octets(pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return new Uint8Array(Buffer.concat(all));
}

export const string = async (pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<string> =>
  new TextDecoder().decode(await octets(pieces));

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export interface Letter {
  readonly from?: string;
  readonly to?: readonly string[];
  readonly lane?: Lane;
  readonly postings?: readonly Posting[];
  readonly body?: string | Uint8Array;
  readonly subject?: string;
  readonly arrived?: Instant;
  readonly expires?: Instant;
  readonly origin?: { readonly spool: string; readonly message: string };
  readonly trace?: string;
}

export function acceptance(letter: Letter): Acceptance {
  const expires = letter.expires ?? START + 30 * DAY;
  const recipients = (letter.to ?? ["bob@example.org"]).map((address) => ({ address, notify: [] }));
  return {
    envelope: { from: letter.from ?? "ann@sender.example", smtputf8: false },
    postings: letter.postings ?? [{ lane: letter.lane ?? HOME, recipients, expires }],
    source: { protocol: "ESMTPS", peer: "mx.sender.example [192.0.2.1]" },
    arrived: letter.arrived ?? START,
    trace: () => letter.trace ?? "Received: from mx\r\n",
    ...(letter.origin && { origin: letter.origin }),
  };
}

/** Three turns of two customers, the oldest of one forgotten after a month: what a spool still knows, newest first. */
export async function turnsLeft(spool: RecordingSpool, clock: HandClock): Promise<readonly string[]> {
  const call = async (customer: string): Promise<void> => {
    const turn = spool.records.turn({ side: "provider", customer, peer: "192.0.2.1" });
    await turn.end();
    clock.pass(1000);
  };
  for (const customer of ["home", "work", "home", "away"]) await call(customer);
  const last = (await spool.records.lastTurns()).map(({ customer }) => customer);
  clock.pass(31 * DAY);
  await call("work");
  await spool.prune(clock.now() - 30 * DAY);
  const left = await spool.records.turns({ limit: 9 });
  return [...last, ...left.map(({ customer }) => customer)];
}

export async function post(spool: Spool, letter: Letter = {}): Promise<Committed> {
  const draft = spool.begin(acceptance(letter));
  const { body = "Subject: hello\r\n\r\nhello\r\n" } = letter;
  await draft.write(typeof body === "string" ? text(body) : body);
  return await draft.commit({ subject: letter.subject ?? "hello" });
}

/** The id of a message that is certainly stored. */
export async function stored(spool: Spool, letter: Letter = {}): Promise<MessageId> {
  const committed = await post(spool, letter);
  if (committed.type !== "stored") throw new Error(`it is ${committed.type}, not stored`);
  return committed.ids[0] ?? "";
}
