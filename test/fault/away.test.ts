/** The house does not call for a month: what the relay does meanwhile, and what comes home when it calls again. */
// A relay, a house and the world in one process: real sockets, TLS, spool files and a Maildir, and a clock that leaps.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Limits } from "../../src/delivery/limits.ts";
import { maildir } from "../../src/delivery/maildir.ts";
import { dial } from "../../src/net/dial.ts";
import { type Account, type Caller, call } from "../../src/relay/call.ts";
import { openOffice } from "../../src/relay/office.ts";
import { bySmarthost } from "../../src/relay/outbound.ts";
import { Porter } from "../../src/relay/porter.ts";
import { verify } from "../../src/spool/verify.ts";
import { all } from "../spool/support.ts";
import { certs } from "../support/certs.ts";
import { type ManualClock, manualClock } from "../support/clock.ts";
import { mailIn } from "../support/household.ts";
import { post, withoutTrace } from "../support/letters.ts";
import { canonical, inFolder, octets } from "../support/mail.ts";
import { openPost, type Post } from "../support/post.ts";
import { eventually } from "../support/processes.ts";
import { type Worldly, withWorld } from "../support/world.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** What was written on a day; every fifth letter is a file of the spool. */
const textOf = (day: number): string =>
  `From: eve@world.test\r\nSubject: day ${day}\r\n\r\n${"As the post office has it.\r\n".repeat(day % 5 === 0 ? 9_000 : 1)}`;

interface Scene {
  readonly clock: ManualClock;
  readonly world: Worldly;
  readonly logged: Post["logged"];
  /** The world writes to bob. */
  write(day: number): Promise<void>;
  /** The house calls, and carries what came. @returns the texts that lie in its Maildir */
  call(): Promise<readonly string[]>;
  /** What does not add up in any of the spools. */
  faults(): Promise<readonly unknown[]>;
}

function scene(act: (scene: Scene) => Promise<void>): Promise<void> {
  const clock = manualClock(Date.UTC(2026, 5, 1, 12));
  return inFolder((folder) => withWorld((world) => inScene({ clock, folder, world }, act), { clock }));
}

async function inScene(
  { clock, folder, world }: { clock: ManualClock; folder: string; world: Worldly },
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const to = (port: number) => ({ host: "127.0.0.1", port, clock, within: 60_000 });
  const opened = await openPost({ clock, outbound: outboundTo(world.port, clock) });
  const door = {
    ...({ address: { host: "127.0.0.1", port: 0 }, bareLineEnds: "refuse" } as const),
    ...{ implicitTls: false, startTls: true, admits: () => true },
  };
  const doors = [
    { ...door, service: "intake", requireTls: false } as const,
    { ...door, service: "odmr", requireTls: true } as const,
  ];
  const { ca, server } = certs();
  const relay = { ...opened.relay, book: { ...opened.relay.book, tls: server } };
  const office = await openOffice(relay, { doors, maxConnections: 100, perAddress: 100 });
  const [intake = 0, odmr = 0] = office.addresses.map(({ port }) => port);
  const account: Account = { ...opened.account, tls: "starttls", ca };
  const caller: Caller = { ...opened.caller, dial: () => dial(to(odmr)) };
  const target = { path: join(folder, "mail"), clock, random: opened.random };
  const tools = { spool: opened.house, clock, random: opened.random, log: opened.log };
  const porter = new Porter({ ...tools, account: account.name, open: () => maildir(target) });
  try {
    await act({
      ...{ clock, world, logged: opened.logged },
      write(day) {
        const raw = octets(textOf(day));
        const letter = { to: "bob@example.org", message: { name: `day ${day}`, raw, canonical: raw } };
        return post(intake, [letter], { from: "eve@world.test" });
      },
      async call() {
        await call(account, [], caller);
        await porter.carry();
        return (await mailIn(target.path)).map((kept) => withoutTrace(canonical(kept)));
      },
      async faults() {
        const spools = [opened.relay.spool, opened.house, world.spool];
        return (await Promise.all(spools.map((spool) => all(verify(spool))))).flat();
      },
    });
  } finally {
    await office.close();
    await opened.close();
  }
}

function outboundTo(port: number, clock: ManualClock) {
  const hop = { host: "127.0.0.1", port };
  return bySmarthost(
    { ...hop, hostname: "relay.test", tls: "none" },
    { expire: 5 * DAY, warnAfter: 4 * HOUR, keysOf: () => new Map() },
    {
      random: { fraction: () => 0.5, bytes: (count) => new Uint8Array(count) },
      log: { log: () => {} },
      limits: new Limits({ all: 9, perDestination: 3 }, clock),
      connect: () => dial({ ...hop, clock, within: 60_000 }),
    },
  );
}

/** A little time passes, again and again, until so much was noted: the relay works on real sockets meanwhile. */
async function until({ clock, logged }: Scene, event: string, times: number): Promise<void> {
  const count = () => logged.filter((line) => line.event === event).length;
  await eventually(
    async () => {
      await clock.advance(1_000);
      return count() >= times;
    },
    () => `${times} × ${event}: ${JSON.stringify(logged.slice(-20))}`,
    20_000,
  );
}

/** Nobody calls: a letter a day, from the first day on. */
async function away(at: Scene, days: number): Promise<void> {
  for (let day = 0; day < days; day++) {
    await at.write(day);
    await at.clock.leap(DAY);
    // Three days before the first is given up its owner hears of it, and of the next one a day later.
    if (day >= 26) await until(at, "expires soon", day - 25);
  }
}

/** The days of the letters among these texts; what is not one of them as it was sent is undefined. */
const daysOf = (texts: readonly string[]) =>
  texts
    .map((text) => Number(/^Subject: day (\d+)\r$/m.exec(text)?.[1]))
    .filter((day) => !Number.isNaN(day))
    .sort((a, b) => a - b);

const days = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe("a house that is away", () => {
  it("for 29 days has all of its mail when it calls again, and a warning before", () =>
    scene(async (at) => {
      await away(at, 29);
      const texts = await at.call();
      const letters = texts.filter((text) => daysOf([text]).length > 0);
      assert.deepEqual(daysOf(letters), days(0, 29));
      assert.deepEqual(
        letters.filter((text) => !days(0, 29).some((day) => text === textOf(day))),
        [],
      );
      const warnings = texts.filter((text) => !letters.includes(text));
      assert.equal(warnings.length, 3);
      assert.ok(
        warnings.every((text) => /^Subject: 1 message waits for you and will go back soon\r$/m.test(text)),
      );
      assert.deepEqual(await at.world.letters(), []);
      assert.deepEqual(await at.faults(), []);
    }));

  it("for 31 days was warned; what was too old went back to its sender, and everything else is there", () =>
    scene(async (at) => {
      await away(at, 31);
      await until(at, "expired", 2);
      const back = () => at.world.letters();
      await eventually(
        async () => {
          await at.clock.advance(1_000);
          return (await back()).length === 2;
        },
        () => JSON.stringify(at.logged.slice(-20)),
      );
      const notices = await back();
      const about = notices.map(([to, text]) => ({
        to,
        type: /^Content-Type: multipart\/report; report-type=delivery-status;/m.test(text),
        ...{
          recipient: field(text, "Final-Recipient"),
          action: field(text, "Action"),
          status: field(text, "Status"),
        },
        subject: text.match(/^Subject: (day \d+)\r$/m)?.[1],
      }));
      const told = {
        to: "eve@world.test",
        type: true,
        recipient: "rfc822; bob@example.org",
        action: "failed",
        status: "4.4.7",
      };
      assert.deepEqual(
        about.toSorted((a, b) => (a.subject! < b.subject! ? -1 : 1)),
        [
          { ...told, subject: "day 0" },
          { ...told, subject: "day 1" },
        ],
      );
      const texts = await at.call();
      assert.deepEqual(
        daysOf(texts.filter((text) => days(2, 31).some((day) => text === textOf(day)))),
        days(2, 31),
      );
      const warnings = texts.filter((text) => text.includes("will go back soon"));
      assert.equal(warnings.length, 5);
      assert.match(
        warnings.join(""),
        /^ {2}until Wed, 01 Jul 2026 [\d:]+ \+0000 {2}<eve@world\.test> {2}day 0\r$/m,
      );
      assert.equal(texts.length, 29 + 5);
      assert.deepEqual(await at.faults(), []);
    }));
});

const field = (text: string, name: string) => new RegExp(`^${name}: (.*)\\r$`, "m").exec(text)?.[1];
