/** A row of the list of bad inputs: what it is called there, where it is tried, and what must hold. */
// A row finds the doors empty and leaves them as it found them: whatever it stored is counted and cleared away.
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import type { Spool } from "../../src/spool/spool.ts";
import { contentOf, entries } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";
import { type Doors, type Entrance, hasLogin, helloAt, logIn, type Visit } from "./doors.ts";

export interface Row {
  /** The list's own words, or what stands for them. */
  readonly name: string;
  /** What of the list it holds, where that is more than its name. */
  readonly items?: readonly string[];
  /** Undefined: at every entrance. */
  readonly at?: ((entrance: Entrance) => boolean) | undefined;
  holds(doors: Doors, entrance: Entrance): Promise<void>;
}

/** One line of the list: its rows. */
export interface Family {
  readonly name: string;
  readonly rows: readonly Row[];
}

/** greeted: nothing was said yet · open: EHLO · known: who it is, where that is asked · addressed: MAIL and one RCPT. */
export type Stage = "greeted" | "open" | "known" | "addressed";

/** Who may send at this entrance. */
export const senderAt = (entrance: Entrance): string =>
  hasLogin(entrance) || entrance.service === "home" ? "ann@example.org" : "a@world.test";

export const envelopeAt = (entrance: Entrance): Talk => [
  ...[`C: MAIL FROM:<${senderAt(entrance)}>`, "P: 250 *"],
  ...["C: RCPT TO:<bob@example.org>", "P: 250 *"],
];
export const message: Talk = ["C: DATA", "P: 354 *", "C: Subject: next", "C: ", "C: .", "P: 250 *"];
export const quit: Talk = ["C: QUIT", "P: 221 *", "end"];

/** Comes in, as far as this stage. */
export async function arrive(
  doors: Doors,
  entrance: Entrance,
  stage: Stage,
  options: Parameters<Doors["enter"]>[1] = {},
): Promise<Visit> {
  const visit = await doors.enter(entrance, options);
  if (stage === "greeted") return visit;
  await play(visit.peer, "C", helloAt(entrance));
  if (stage === "open") return visit;
  if (hasLogin(entrance)) await logIn(entrance, visit.peer);
  if (stage === "addressed") await play(visit.peer, "C", envelopeAt(entrance));
  return visit;
}

/** Comes in, plays the talk from this stage on, and waits until the listener has done with it. @returns what was heard of it */
export async function tried(doors: Doors, entrance: Entrance, stage: Stage, talk: Talk): Promise<string> {
  const { peer, over } = await arrive(doors, entrance, stage);
  const heard = await play(peer, "C", talk);
  await over();
  return heard;
}

export const spoolAt = ({ post }: Doors, { service }: Entrance): Spool =>
  service === "home" || service === "reversed" ? post.house : post.relay.spool;

/** Says it again and again behind MAIL and RCPT, as long as anybody listens. @returns how many lines came in answer */
export async function endless(
  doors: Doors,
  entrance: Entrance,
  line: string,
  times: number,
): Promise<number> {
  const { peer, over } = await arrive(doors, entrance, "addressed");
  const listening = play(peer, "C", ["rest"]);
  const lump = new TextEncoder().encode(line.repeat(1_000));
  const isHeard = () =>
    peer.write(lump, 20_000).then(
      () => true,
      () => false,
    );
  // The loop goes round after each lump: what is answered is heard before the next.
  for (let said = 0; said < times && (await isHeard()); said += 1_000) await setImmediate();
  const heard = await listening;
  await over();
  return heard.split("\r\n").length;
}

/** The bodies that were taken in, without the trace field that was put on top. */
export async function kept(doors: Doors, entrance: Entrance): Promise<readonly string[]> {
  const spool = spoolAt(doors, entrance);
  const all = (await entries(spool)).map(({ id }) => contentOf(spool, id));
  return (await Promise.all(all)).map((text) => text.replace(/^Received:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*/, ""));
}

export async function isKept(doors: Doors, entrance: Entrance, ...bodies: readonly string[]): Promise<void> {
  assert.deepEqual(await kept(doors, entrance), bodies);
}

/** Removes all mail that is here. */
export async function empty(doors: Doors): Promise<void> {
  const by = { name: "test", reason: "the row is over" };
  for (const spool of [doors.post.relay.spool, doors.post.house])
    for await (const _ of spool.act({ type: "remove" }, {}, by));
}

/** A row that is a talk from a stage on; afterwards these bodies are kept. */
export const talkRow = (
  name: string,
  stage: Stage,
  talk: Talk | ((entrance: Entrance) => Talk),
  more: { readonly kept?: readonly string[]; readonly at?: Row["at"] } = {},
): Row => ({
  name,
  at: more.at,
  async holds(doors, entrance) {
    await tried(doors, entrance, stage, typeof talk === "function" ? talk(entrance) : talk);
    await isKept(doors, entrance, ...(more.kept ?? []));
  },
});

/** Many small things, said one after the other on one line that lives on: then a message is taken on it. */
export const talksRow = (
  name: string,
  stage: Stage,
  talks: readonly (readonly [item: string, talk: Talk | ((entrance: Entrance) => Talk)])[],
  at?: Row["at"],
): Row => ({
  ...{ name, at, items: talks.map(([item]) => item) },
  async holds(doors, entrance) {
    const { peer, over } = await arrive(doors, entrance, stage);
    for (const [item, talk] of talks)
      try {
        await play(peer, "C", typeof talk === "function" ? talk(entrance) : talk);
      } catch (fault) {
        throw new Error(item, { cause: fault });
      }
    if (stage === "open" && hasLogin(entrance)) await logIn(entrance, peer);
    await play(peer, "C", [...envelopeAt(entrance), ...message, ...quit]);
    await over();
    await isKept(doors, entrance, NEXT);
  },
});

export const NEXT = "Subject: next\r\n\r\n";
