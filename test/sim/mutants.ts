/** Mutants: one promise of the program is broken in each, through its seams. A check that does not find them proves nothing. */
import type { RecordingSpool } from "../../src/spool/records.ts";
import type { Claim, Committed, Draft, Held, Settlement } from "../../src/spool/spool.ts";
import { reply } from "../../src/wire/reply.ts";
import type { Omissions } from "./disk.ts";
import type { Plan } from "./plan.ts";

export type Alter = (spool: RecordingSpool) => RecordingSpool;

export interface Mutant {
  /** What is missing. */
  readonly without: string;
  readonly disk?: Omissions;
  readonly relay?: Alter;
  readonly house?: Alter;
  /** A short life that finds it: where the search begins, for as long as the program lives it so. */
  readonly seed: number;
  /** What makes it show sooner. */
  readonly stress: Partial<Plan>;
}

const powerCuts: Partial<Plan> = { calm: false, crashes: { relay: 4, house: 4 }, letters: 24 };
/** Where the answers to messages travel. */
const brokenLines: Partial<Plan> = { calm: false, cuts: 0.6, cutBehind: [2.6, 3.6], letters: 24 };

export const mutants = {
  "database-sync": {
    without: "the sync of the database's log at each commit",
    seed: 3,
    stress: powerCuts,
    disk: { sql: (sql) => sql.replace("synchronous = FULL", "synchronous = OFF") },
  },
  "file-sync": {
    without: "the sync of a large body's file",
    seed: 4,
    stress: { ...powerCuts, large: 0.8 },
    disk: { fileSync: true },
  },
  "folder-sync": {
    without: "the sync of the folders that name large bodies",
    seed: 4,
    stress: { ...powerCuts, large: 0.8 },
    disk: { folderSync: true },
  },
  ledger: {
    without: "the house's memory of what it had (XODMRID)",
    seed: 15,
    stress: brokenLines,
    house: forgetful,
  },
  "relay-ledger": {
    without: "the relay's memory of what the house sent it",
    seed: 3,
    stress: { ...brokenLines, fromHome: 1 },
    relay: forgetful,
  },
  lease: {
    without: "the lease: what one turn has under way is anybody's",
    seed: 4,
    stress: { calm: true, letters: 10, calls: { byStranger: 8, byHand: 2 } },
    disk: {
      sql: (sql) => sql.replace("holder = ?, due = ? WHERE", "holder = ?, due = coalesce(due, ?) WHERE"),
    },
  },
  "settle-first": {
    without: "the wait for the peer's 250: a message is settled when it is handed out",
    seed: 1,
    stress: powerCuts,
    relay: (spool) => altered(spool, { claim: hasty(spool) }),
  },
  "answer-first": {
    without: "the wait for the commit: 250 is said before it",
    seed: 10,
    stress: { ...powerCuts, illnesses: 3 },
    relay: (spool) => altered(spool, { begin: rash(spool) }),
  },
  "answer-first-at-home": {
    without: "the house's wait for its commit: 250 is said before it",
    seed: 7,
    stress: { ...powerCuts, illnesses: 3 },
    house: (spool) => altered(spool, { begin: rash(spool) }),
  },
  "settle-first-at-home": {
    without: "the house's wait for its target's 250",
    seed: 3,
    stress: powerCuts,
    house: (spool) => altered(spool, { claim: hasty(spool) }),
  },
  doubles: {
    without: "the removal of what came by the other relay already",
    seed: 3,
    stress: { calm: true, letters: 24, backup: 1, fromHome: 0 },
    house: (spool) => altered(spool, { begin: ({ doubles: _, ...acceptance }) => spool.begin(acceptance) }),
  },
  debt: {
    without: "the notice to the sender of what was given up",
    seed: 3,
    stress: { letters: 24, operators: 12 },
    relay: (spool) => altered(spool, { owed: async () => [] }),
  },
} as const satisfies Record<string, Mutant>;

export type MutantName = keyof typeof mutants;

function forgetful(spool: RecordingSpool): RecordingSpool {
  return altered(spool, {
    begin: ({ origin: _, ...acceptance }) => spool.begin(acceptance),
  });
}

/** The same spool with some of its methods exchanged. */
function altered(spool: RecordingSpool, others: Partial<RecordingSpool>): RecordingSpool {
  return new Proxy(spool, {
    get(target, name) {
      if (name in others) return others[name as keyof RecordingSpool];
      const own = target[name as keyof RecordingSpool] as unknown;
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}

const there = reply(250, "2.0.0", "it will be there");

function hasty(spool: RecordingSpool): RecordingSpool["claim"] {
  return async (claimable, holder) => {
    const claim = await spool.claim(claimable, holder);
    if (typeof claim === "string") return claim;
    const early: Claim = {
      async next(): Promise<Held | undefined> {
        const held = await claim.next();
        const all = held?.envelope.recipients.map(
          ({ address }): Settlement => ({ to: address, result: "delivered", reply: there }),
        );
        if (held !== undefined && all !== undefined) await claim.settle(held, all);
        return held;
      },
      limit: (octets) => claim.limit(octets),
      settle: async () => {},
      release: () => claim.release(),
    };
    return early;
  };
}

function rash(spool: RecordingSpool): RecordingSpool["begin"] {
  return (acceptance) => {
    const draft = spool.begin(acceptance);
    const early: Draft = {
      ids: draft.ids,
      write: (bytes) => draft.write(bytes),
      discard: () => draft.discard(),
      content: () => draft.content(),
      async commit(facts): Promise<Committed> {
        draft.commit(facts).catch(() => {});
        return { type: "stored", ids: draft.ids };
      },
    };
    return early;
  };
}
