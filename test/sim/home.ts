/** The customer's house, all of it: what `pull --daemon` does, on a simulated machine. */
import type { Delivery } from "../../src/delivery/delivery.ts";
import type { Connection } from "../../src/net/connection.ts";
import { type Account, type Caller, call } from "../../src/relay/call.ts";
import { CallError } from "../../src/relay/callerror.ts";
import type { Customer } from "../../src/relay/customers.ts";
import { runNotedErrand } from "../../src/relay/errand.ts";
import { follow } from "../../src/relay/follow.ts";
import type { Home } from "../../src/relay/home.ts";
import { homeBook } from "../../src/relay/homeoffice.ts";
import { canTell, sendNotices } from "../../src/relay/notices.ts";
import { Sender } from "../../src/relay/outgoing.ts";
import { Porter } from "../../src/relay/porter.ts";
import { receive } from "../../src/relay/reception.ts";
import type { Relay } from "../../src/relay/relay.ts";
import { type Charge, Watch } from "../../src/relay/rota.ts";
import { scheduleOf } from "../../src/relay/schedule.ts";
import type { RecordingSpool } from "../../src/spool/records.ts";
import { reply } from "../../src/wire/reply.ts";
import type { Disk } from "./disk.ts";
import { type Kept, quick } from "./keeper.ts";
import type { Program } from "./machine.ts";
import type { Alter } from "./mutants.ts";
import { arrivalsOf, DAY, spoolOf } from "./office.ts";
import type { Life } from "./world.ts";

export interface HomeParts {
  readonly life: Life;
  readonly disk: Disk;
  readonly customer: Customer;
  readonly messageSize: number;
  /** The first takes along what leaves the house. With more than one, what comes by both is removed. */
  readonly providers: readonly Provider[];
  /** The mailbox at home takes a message. */
  readonly mailbox: (message: Kept) => void;
  /** Whether the mailbox answers 4xx now. */
  readonly moody: () => boolean;
  readonly alter?: Alter | undefined;
}

export interface Provider {
  readonly account: string;
  /** Milliseconds between calls; "follow": it stays on the line. */
  readonly every: number | "follow";
  /** A line to the relay's ODMR door. */
  readonly dial: (life: Life) => Promise<Connection>;
}

export interface RunningHome extends Program {
  readonly spool: RecordingSpool;
  /** The mail server at home has dialled the house's own door. */
  enter(connection: Connection): void;
  /** `pull` by hand, beside the daemon. */
  pull(): Promise<void>;
  /** A call now. */
  ring(): void;
}

export async function startHome(parts: HomeParts): Promise<RunningHome> {
  const { life, disk, providers, alter = (spool) => spool } = parts;
  const own = await spoolOf(disk, life, "pull");
  const spool = alter(own);
  const { arrivals, unhear } = arrivalsOf(spool);
  const stop = new AbortController();
  const house = houseOf(parts, spool);
  const accounts = providers.map((provider) => accountOf(parts, house, provider, stop.signal));
  const door: Relay = { ...house.desk, arrivals, stopping: stop.signal };
  const carrying = accounts.map(({ porter }) => porter.work(arrivals, stop.signal));
  const watches = accounts.map(({ charge }) => new Watch(charge, { clock: life, random: life.random }));
  const sessions = new Set<Promise<void>>();
  return {
    spool,
    enter(connection) {
      const settings = { startTls: false, requireTls: false, bareLineEnds: "normalise" } as const;
      const session: Promise<void> = receive(door, { service: "intake", ...settings }, connection)
        .catch((fault: unknown) => life.log.log("error", "session failed", { why: String(fault) }))
        .finally(() => sessions.delete(session));
      sessions.add(session);
    },
    async pull() {
      const another = await spoolOf(disk, life, "pull by hand", true);
      const { account, caller } = life.random.one(accounts);
      try {
        await call(account, [], caller(alter(another), stop.signal)).catch(told(life, account.name));
      } finally {
        await another.close();
      }
    },
    ring: () => watches.forEach((watch) => void watch.ask()),
    async end() {
      stop.abort();
      await Promise.all(watches.map((watch) => watch.end()));
      await Promise.all([...sessions, ...carrying]);
      unhear();
      await own.close();
    },
  };
}

type House = ReturnType<typeof houseOf>;

function houseOf({ life, customer, providers }: HomeParts, spool: RecordingSpool) {
  const home: Home = {
    accounts: providers.map(({ account }) => ({ name: account, domains: customer.domains })),
    outgoing: { via: customer.name, expire: 5 * DAY, messageSize: 10_000_000 },
  };
  const tools = { spool, clock: life, random: life.random, log: life.log };
  return { tools, desk: { ...tools, hostname: `${customer.name}.house.test`, book: homeBook(home) } };
}

function accountOf(
  parts: HomeParts,
  { tools, desk }: House,
  { account: name, every, dial }: Provider,
  leaving: AbortSignal,
) {
  const { life, customer, messageSize, providers, mailbox, moody } = parts;
  const { spool } = tools;
  const tells = (held: { readonly envelope: { readonly from: string } }): boolean =>
    canTell(held.envelope.from, name, desk.book);
  const porter = new Porter({ ...tools, account: name, open: () => mailboxAt(life, mailbox, moody), tells });
  const account: Account = {
    ...{ name, host: "relay.test", port: 366, tls: "none" },
    ...{ user: customer.name, password: `${customer.name} secret` },
    ...{ hostname: desk.hostname, messageSize, domains: customer.domains },
    doubles: providers.length > 1 ? "remove" : "keep",
  };
  const sends = name === customer.name;
  const caller = (by: RecordingSpool, signal: AbortSignal): Caller => ({
    dial: () => dial(life),
    ...{ spool: by, clock: life, random: life.random, pbkdf2: quick, log: life.log, leaving: signal },
    ...(sends && { sender: new Sender({ ...tools, account: name, spool: by, tells, lateAfter: DAY }) }),
  });
  const keepHouse = async (): Promise<void> => {
    await porter.carry();
    await spool.expire(life.now());
    await sendNotices(desk);
    await porter.carry();
  };
  const charge: Charge<void> = {
    name,
    schedule: scheduleOf(every === "follow" ? {} : { every }),
    async call() {
      try {
        await runNotedErrand(account, [], { ...caller(spool, leaving), records: spool.records });
        await keepHouse();
        return { report: undefined };
      } catch (fault) {
        told(life, name)(fault);
        return { report: undefined, fault: "later" };
      }
    },
    ...(every === "follow" && {
      follow: async (line) => {
        try {
          let kept: Promise<void> = Promise.resolve();
          const type = await follow(account, [[]], caller(spool, line.stopping), {
            ...{ stopping: line.stopping, asked: () => line.asked() },
            brought: () => {
              life.world.strike("follow");
              kept = kept.then(keepHouse).catch(told(life, name));
              line.round({ report: undefined });
            },
          });
          await kept;
          return { type };
        } catch (fault) {
          told(life, name)(fault);
          return line.stopping.aborted ? { type: "told to leave" } : { type: "failed", fault: "later" };
        }
      },
    }),
  };
  return { account, caller, charge, porter };
}

/** What may go wrong with a call is in the log; whatever else is thrown is a bug, and found by its name there. */
const told =
  (life: Life, name: string) =>
  (fault: unknown): void => {
    const kind = fault instanceof CallError ? fault.fault : fault instanceof Error ? fault.name : "thrown";
    life.log.log("warn", "call failed", { account: name, kind, why: String(fault) });
  };

/** A target that takes its time, is down now and then, and takes a message twice if it is given twice. */
function mailboxAt(life: Life, mailbox: HomeParts["mailbox"], moody: () => boolean): Delivery {
  const there = reply(250, "2.0.0", "there");
  const down = reply(451, "4.4.1", "down");
  return {
    async deliver(parcel) {
      const pieces: Uint8Array[] = [];
      for await (const piece of parcel.content()) pieces.push(piece);
      const { from, recipients } = parcel.envelope;
      const to = recipients.map(({ address }) => address);
      return life.do(life.random.wait(3, 300), () => {
        const takes = !moody();
        if (takes) mailbox({ from, to, content: new Uint8Array(Buffer.concat(pieces)) });
        return to.map((address) => ({
          to: address,
          result: takes ? ("delivered" as const) : ("deferred" as const),
          reply: takes ? there : down,
        }));
      });
    },
    close: async () => {},
  };
}
