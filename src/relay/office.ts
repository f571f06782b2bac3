/** The relay at work: its doors open, sessions come and go, and what has waited too long is given up. */
import type { Connection, Peer } from "../net/connection.ts";
import { pause } from "../platform/clock.ts";
import { HISTORY } from "../spool/spool.ts";
import { Arrivals } from "./arrivals.ts";
import { Company } from "./company.ts";
import { dispatch } from "./dispatch.ts";
import { correspond } from "./notices.ts";
import { type DoorPlan, Porch, type PorchPlan } from "./porch.ts";
import { receive } from "./reception.ts";
import type { Book, Relay } from "./relay.ts";

export interface Office {
  /** Where each door listens, in the order of the plan. */
  readonly addresses: readonly Peer[];
  /** The book that is in force. */
  readonly book: Book;
  /** Sessions from now on see this book; running ones keep theirs. */
  renew(book: Book): void;
  /** Closes the doors, lets sessions say goodbye and turns finish what is in flight. Resolves when all are gone. */
  close(): Promise<void>;
}

/** What the office is given; the rest of a relay it makes itself. */
type OfficeTools = Omit<Relay, "stopping" | "arrivals" | "meanwhile" | "company">;

/** How often mail is looked through for what has outlived its hold time, in milliseconds. */
const EXPIRY = 60_000;
/** What left long ago is forgotten, and its room given back. */
const PRUNING = 3_600_000;

/**
 * @param relay all but what the office itself decides: its book may be renewed, and it is stopped by close()
 * @param porch doors of this plan that are bound already
 */
export async function openOffice(
  relay: OfficeTools,
  plan: PorchPlan,
  porch = new Porch(plan, relay),
): Promise<Office> {
  const stop = new AbortController();
  const arrivals = new Arrivals();
  const works = new Set<Promise<void>>();
  let sessions = 0;
  let empty: (() => void) | undefined;

  const failed = (fault: unknown): void =>
    relay.log.log("error", "work failed", { why: fault instanceof Error ? fault.message : String(fault) });
  const keep = (work: Promise<void>): void => {
    const gone: Promise<void> = work.catch(failed).finally(() => works.delete(gone));
    works.add(gone);
  };
  const shared = { ...relay, arrivals, company: new Company(), stopping: stop.signal, meanwhile: keep };
  // One for all sessions that begin under the same book.
  let current: Relay = shared;
  const now = (): Relay => current;

  const left = (): void => {
    sessions--;
    if (sessions === 0) empty?.();
  };
  const broke = (fault: unknown): void => {
    failed(fault);
    left();
  };
  const enter = (door: DoorPlan, connection: Connection): void => {
    if (!door.admits(connection.peer)) {
      relay.log.log("warn", "not admitted", { peer: connection.peer.address, service: door.service });
      return connection.destroy();
    }
    sessions++;
    receive(current, door, connection, now).then(left, broke);
  };
  const allLeft = (): Promise<void> =>
    new Promise((resolve) => {
      if (sessions === 0) return resolve();
      empty = resolve;
    });

  const showCertificate = ({ tls }: Book): void => {
    for (const [i, { implicitTls }] of plan.doors.entries())
      if (implicitTls && tls) porch.listeners[i]!.replaceTls(tls);
  };

  await porch.bind("all");
  showCertificate(current.book);
  porch.open(enter);
  const housekeeping = Promise.all(chores.map((chore) => doNowAndThen(chore, relay, stop.signal)));
  const sending = Promise.all([dispatch(now), correspond(now)]);
  const unheard = relay.spool.onChange((lane) => arrivals.came(lane));

  return {
    addresses: porch.listeners.map(({ address }) => address),
    get book() {
      return current.book;
    },
    renew(book) {
      current = { ...shared, book };
      showCertificate(book);
    },
    async close() {
      await porch.close();
      stop.abort();
      await allLeft();
      await Promise.all(works);
      await housekeeping;
      await sending;
      unheard();
    },
  };
}

/** Milliseconds between two acts of housekeeping, each begun at once, and what is logged where one fails. */
const chores = [
  {
    every: EXPIRY,
    trouble: "expiry failed",
    async act({ spool, clock, log }: OfficeTools): Promise<void> {
      for (const id of await spool.expire(clock.now())) log.log("warn", "expired", { id });
    },
  },
  {
    every: PRUNING,
    trouble: "history not pruned",
    act: ({ spool, clock }: OfficeTools): Promise<void> => spool.prune(clock.now() - HISTORY),
  },
] as const;

async function doNowAndThen(
  { every, trouble, act }: (typeof chores)[number],
  tools: OfficeTools,
  stopping: AbortSignal,
): Promise<void> {
  const { clock, log } = tools;
  while (!stopping.aborted) {
    try {
      await act(tools);
    } catch (fault) {
      log.log("error", trouble, { why: fault instanceof Error ? fault.message : String(fault) });
    }
    await pause(clock, every, stopping);
  }
}
