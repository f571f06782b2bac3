/** Who lets us wait: an octet a minute in each phase, silence where a handshake is due, and ears that are shut. */
// Time is moved by hand: a row takes hours, and no time.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { ManualClock } from "../../support/clock.ts";
import { play, type Talk } from "../../support/provider.ts";
import { type Doors, type Entrance, helloAt, isReal } from "../doors.ts";
import { arrive, isKept, quit, type Row, type Stage } from "../rows.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A provider may walk its whole queue before it says its next word. */
const mostAt = ({ service }: Entrance): number => (service === "reversed" ? 15 : 5);

/** Does it again and again, `every` so many milliseconds. @returns after how many minutes it was over */
async function until(
  clock: ManualClock,
  over: Promise<unknown>,
  every: number,
  act: (() => Promise<unknown>) | undefined = undefined,
): Promise<number> {
  let isOver = false;
  void over.then(() => {
    isOver = true;
  });
  for (let passed = 0; passed <= HOUR; passed += every) {
    await rounds();
    await clock.advance(0);
    if (isOver) return passed / MINUTE;
    await act?.().catch(() => undefined);
    await clock.advance(every);
  }
  throw new Error("an hour was not enough");
}

/** Real sockets take their rounds of the loop: more of them on Deno, and for a handshake. */
async function rounds(count = 8): Promise<void> {
  for (let round = 0; round < count; round++) await setImmediate();
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const phases: readonly {
  readonly name: string;
  readonly stage: Stage;
  readonly talk: Talk;
  readonly octet: string;
}[] = [
  { name: "before EHLO", stage: "greeted", talk: ["C: E\\"], octet: "H" },
  { name: "within a command", stage: "known", talk: ["C: NO\\"], octet: "O" },
  { name: "within MAIL", stage: "known", talk: ["C: MAIL FROM:<\\"], octet: "a" },
  { name: "within DATA", stage: "addressed", talk: ["C: DATA", "P: 354 *"], octet: "x" },
  { name: "within BDAT", stage: "addressed", talk: ["C: BDAT 50000 LAST"], octet: "x" },
  { name: "within a refused BDAT", stage: "known", talk: ["C: BDAT 50000"], octet: "x" },
];

type Timed = Omit<Row, "holds"> & {
  holds(doors: Doors, entrance: Entrance, clock: ManualClock): Promise<void>;
};

const drips = phases.map(
  ({ name, stage, talk, octet }): Timed => ({
    name: `one byte a minute ${name}`,
    async holds(doors, entrance, clock) {
      const { peer, over } = await arrive(doors, entrance, stage);
      await play(peer, "C", talk);
      const listening = play(peer, "C", ["rest"]);
      if (isReal(entrance)) await rounds(100);
      // Over a real socket it is silent: an octet on its way to who has just left would be answered by a reset.
      const drip = isReal(entrance) ? undefined : () => peer.write(bytes(octet), MINUTE);
      const minutes = await until(clock, listening, MINUTE, drip);
      assert.match(await listening, /421 4\.4\.2 [^\r]*\r\n$/);
      const most = mostAt(entrance);
      assert.ok(minutes >= most && minutes <= most + 1, `it took ${minutes} minutes`);
      await over();
      await isKept(doors, entrance);
    },
  }),
);

/** A hundred octets a second: what was in stock, and a fifth of a second for each that passes. */
const slowly: Timed = {
  name: "less than the minimum rate within a message",
  at: (entrance) => !isReal(entrance),
  async holds(doors, entrance, clock) {
    const { peer, over } = await arrive(doors, entrance, "addressed");
    await play(peer, "C", ["C: DATA", "P: 354 *"]);
    const listening = play(peer, "C", ["rest"]);
    const thousand = bytes(`${"x".repeat(98)}\r\n`.repeat(10));
    const minutes = await until(clock, listening, 10_000, () => peer.write(thousand, MINUTE));
    assert.match(await listening, /421 4\.4\.2 [^\r]*\r\n$/);
    const most = mostAt(entrance);
    assert.ok(minutes > most * 1.2 && minutes < most * 1.3, `it took ${minutes} minutes`);
    await over();
    await isKept(doors, entrance);
  },
};

const steadily: Timed = {
  name: "no less than the minimum rate",
  at: ({ line }) => line === "clear",
  async holds(doors, entrance, clock) {
    const { peer, over } = await arrive(doors, entrance, "addressed");
    await play(peer, "C", ["C: DATA", "P: 354 *"]);
    const lines = `${"x".repeat(98)}\r\n`.repeat(60);
    for (let second = 0; second < 1_200; second += 10) {
      await peer.write(bytes(lines), MINUTE);
      await rounds();
      await clock.advance(10_000);
    }
    await play(peer, "C", ["C: .", "P: 250 *", ...quit]);
    await over();
    await isKept(doors, entrance, lines.repeat(120));
  },
};

const deaf: Timed = {
  name: "a peer that never reads our replies",
  async holds(doors, entrance, clock) {
    const { peer, over } = await arrive(doors, entrance, "known");
    const [hello = ""] = helloAt(entrance);
    const said = bytes(`${hello.slice(3)}\r\n`.repeat(2_000));
    void peer.write(said, HOUR).catch(() => undefined);
    const minutes = await until(clock, over(), 10_000);
    assert.ok(minutes <= mostAt(entrance) + 1, `it took ${minutes} minutes`);
    peer.destroy();
  },
};

/** Nobody says a word where the handshake is due. */
const mute: Timed = {
  name: "silence where TLS is due",
  at: ({ line, service }) => service !== "reversed" && (line === "implicit" || line === "starttls"),
  async holds(doors, entrance, clock) {
    const raw = connect({ host: "127.0.0.1", port: doors.portOf(entrance) });
    raw.on("error", () => undefined);
    await once(raw, "connect");
    if (entrance.line === "starttls") {
      const [hello = ""] = helloAt(entrance);
      raw.write(`${hello.slice(3)}\r\n`);
      let heard = "";
      while (!/^250 /m.test(heard)) heard += String((await once(raw, "data"))[0]);
      raw.write("STARTTLS\r\n");
      await once(raw, "data");
    }
    const closed = once(raw, "close");
    raw.resume();
    const minutes = await until(clock, closed, 10_000);
    assert.ok(minutes >= 1 && minutes <= 6, `it took ${minutes} minutes`);
  },
};

export const slow: readonly Timed[] = [...drips, slowly, steadily, deaf, mute];
