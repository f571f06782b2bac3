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
  /** Milliseconds between calls; "follow": it stays on the line. */
  readonly every: number | "follow";
  readonly messageSize: number;
  /** A line to the relay's ODMR door. */
  readonly dial: (life: Life) => Promise<Connection>;
  /** The mailbox at home takes a message. */
  readonly mailbox: (message: Kept) => void;
  /** Of tries, those that the mailbox answers 4xx. */
  readonly moody: number;
  readonly alter?: Alter | undefined;
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
  const { life, disk, customer, every, alter = (spool) => spool } = parts;
  const own = await spoolOf(disk, life, "pull");
  const spool = alter(own);
  const { arrivals, unhear } = arrivalsOf(spool);
  const stop = new AbortController();
  const house = houseOf(parts, spool, stop.signal);
  const door: Relay = { ...house.desk, arrivals, stopping: stop.signal };
  const carrying = house.porter.work(arrivals, stop.signal);
  const watch = new Watch(house.charge(every), { clock: life, random: life.random });
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
      try {
        await call(house.account, [], house.caller(alter(another), stop.signal)).catch(
          told(life, customer.name),
        );
      } finally {
        await another.close();
      }
    },
    ring: () => void watch.ask(),
    async end() {
      stop.abort();
      await watch.end();
      await Promise.all([...sessions, carrying]);
      unhear();
      await own.close();
    },
  };
}

function houseOf(parts: HomeParts, spool: RecordingSpool, leaving: AbortSignal) {
  const { life, customer, messageSize, dial, mailbox, moody } = parts;
  const { name, domains } = customer;
  const home: Home = {
    accounts: [{ name, domains }],
    outgoing: { via: name, expire: 5 * DAY, messageSize: 10_000_000 },
  };
  const book = homeBook(home);
  const tools = { account: name, spool, clock: life, random: life.random, log: life.log };
  const desk = {
    hostname: `${name}.house.test`,
    spool,
    clock: life,
    random: life.random,
    log: life.log,
    book,
  };
  const tells = (held: { readonly envelope: { readonly from: string } }): boolean =>
    canTell(held.envelope.from, name, book);
  const porter = new Porter({ ...tools, open: () => mailboxAt(life, mailbox, moody), tells });
  const account: Account = {
    ...{ name, host: "relay.test", port: 366, tls: "none", user: name, password: `${name} secret` },
    ...{ hostname: desk.hostname, messageSize, domains },
  };
  const caller = (by: RecordingSpool, signal: AbortSignal): Caller => ({
    dial: () => dial(life),
    ...{ spool: by, clock: life, random: life.random, pbkdf2: quick, log: life.log, leaving: signal },
    sender: new Sender({ ...tools, spool: by, tells, lateAfter: DAY }),
  });
  const keepHouse = async (): Promise<void> => {
    await porter.carry();
    await spool.expire(life.now());
    await sendNotices(desk);
    await porter.carry();
  };
  const charge = (every: number | "follow"): Charge<void> => ({
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
  });
  return { account, caller, charge, desk, porter };
}

/** What may go wrong with a call is in the log; whatever else is thrown is a bug, and found by its name there. */
const told =
  (life: Life, name: string) =>
  (fault: unknown): void => {
    const kind = fault instanceof CallError ? fault.fault : fault instanceof Error ? fault.name : "thrown";
    life.log.log("warn", "call failed", { account: name, kind, why: String(fault) });
  };

/** A target that takes its time, is down now and then, and takes a message twice if it is given twice. */
function mailboxAt(life: Life, mailbox: HomeParts["mailbox"], moody: number): Delivery {
  const there = reply(250, "2.0.0", "there");
  const down = reply(451, "4.4.1", "down");
  return {
    async deliver(parcel) {
      const pieces: Uint8Array[] = [];
      for await (const piece of parcel.content()) pieces.push(piece);
      const { from, recipients } = parcel.envelope;
      const to = recipients.map(({ address }) => address);
      return life.do(life.random.wait(3, 300), () => {
        const takes = !life.random.happens(moody);
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
