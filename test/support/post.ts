/** A relay and a house for tests: real spools in a folder of their own, joined by lines in memory. */
import { lineDelivery } from "../../src/delivery/line.ts";
import type { Connection } from "../../src/net/connection.ts";
import { Talk } from "../../src/net/talk.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { pbkdf2Sha256 } from "../../src/platform/hash.ts";
import type { Fields, Log } from "../../src/platform/log.ts";
import type { Random } from "../../src/platform/random.ts";
import { Arrivals } from "../../src/relay/arrivals.ts";
import { type Account, type Caller, call } from "../../src/relay/call.ts";
import type { Taken } from "../../src/relay/callerror.ts";
import { Credentials } from "../../src/relay/credentials.ts";
import { type Customer, Customers } from "../../src/relay/customers.ts";
import type { Outbound } from "../../src/relay/outbound.ts";
import { receive } from "../../src/relay/reception.ts";
import type { DoorSettings, Relay } from "../../src/relay/relay.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import type { Entry, Spool } from "../../src/spool/spool.ts";
import { seeded, temporary } from "../spool/support.ts";
import { type PipeOptions, pipe } from "./pipe.ts";
import { quickFolder } from "./quick.ts";

export const HOME: Customer = {
  name: "home",
  domains: ["example.org", "example.com"],
  recipients: undefined,
  hold: 30 * 86_400_000,
  quota: undefined,
  compatibility: "auto",
  order: "oldest",
};

export interface Logged {
  readonly event: string;
  readonly fields: Fields;
}

export interface PostOptions {
  readonly clock?: Clock;
  readonly customers?: readonly Customer[];
  readonly messageSize?: number;
  /** Of all chance, ids too: two posts of one test have two. */
  readonly seed?: number;
  /** How long XODMRWAIT waits, in milliseconds; without it, it is not offered. */
  readonly wait?: number;
  /** The way out; without it, there is none. */
  readonly outbound?: Outbound;
}

export interface Post {
  readonly relay: Relay & { readonly spool: EmbeddedSpool };
  readonly house: EmbeddedSpool;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** What was logged, by both ends. */
  readonly logged: readonly Logged[];
  readonly account: Account;
  readonly caller: Caller;
  /** How lines are made from now on. */
  line: PipeOptions;
  /** A connection to one of the relay's doors; `over` resolves when the relay has done with it. */
  dial(
    service?: DoorSettings["service"],
    settings?: Partial<DoorSettings>,
  ): { readonly connection: Connection; readonly over: Promise<void> };
  /** Hands a message in at the intake door, as a server of the world would. */
  send(message: {
    readonly from?: string;
    readonly to: readonly string[];
    readonly body: string;
  }): Promise<readonly string[]>;
  /** Resolves when the relay has done with every line so far. */
  quiet(): Promise<void>;
  /** One call of the house. */
  call(ask?: readonly string[]): Promise<Taken>;
  close(): Promise<void>;
}

export async function openPost(options: PostOptions = {}): Promise<Post> {
  const { clock = systemClock, customers = [HOME], messageSize = 10_000_000, wait } = options;
  const folder = temporary(quickFolder());
  const random = seeded(options.seed ?? 1);
  const logged: Logged[] = [];
  const log: Log = { log: (_, event, fields = {}) => void logged.push({ event, fields }) };
  const open = (name: string) =>
    openSpool({
      path: `${folder.path}/${name}.db`,
      clock,
      random,
      log,
      files: systemFiles,
      thread: "here",
      actor: name,
    });
  const stop = new AbortController();
  const relay: Post["relay"] = {
    hostname: "relay.test",
    spool: await open("relay"),
    clock,
    random,
    log,
    arrivals: new Arrivals(),
    book: {
      customers: new Customers(customers),
      credentials: new Credentials(
        customers.map(({ name }) => ({ user: name, password: `${name} secret` })),
        { pbkdf2: pbkdf2Sha256, secret: new Uint8Array(32) },
      ),
      tls: undefined,
      messageSize,
      recipients: 100,
      cramMd5: true,
      ...(wait !== undefined && { wait }),
      ...(options.outbound && { outbound: options.outbound }),
    },
    stopping: stop.signal,
  };
  if (wait !== undefined) relay.spool.onChange((lane) => relay.arrivals.came(lane));
  const house = await open("house");
  const account: Account = {
    name: "vps",
    host: "relay.test",
    port: 366,
    tls: "none",
    user: "home",
    password: "home secret",
    hostname: "house.test",
    messageSize,
    domains: HOME.domains,
  };
  const overs: Promise<void>[] = [];
  const post: Post = {
    relay,
    house,
    clock,
    random,
    log,
    logged,
    account,
    line: {},
    dial(service = "odmr", settings = {}) {
      const [here, there] = pipe({ clock, ...post.line });
      const door: DoorSettings = {
        service,
        startTls: false,
        requireTls: false,
        bareLineEnds: "refuse",
        ...settings,
      };
      const over = receive(relay, door, there);
      overs.push(over.catch(() => undefined));
      return { connection: here, over };
    },
    caller: {
      dial: async () => post.dial().connection,
      spool: house,
      clock,
      random,
      pbkdf2: pbkdf2Sha256,
      log,
    },
    async send({ from = "sender@world.test", to, body }) {
      const talk = new Talk(post.dial("intake").connection);
      await talk.greeting();
      await talk.ask({ verb: "EHLO", name: "world.test" });
      const delivery = lineDelivery(talk, { compatibility: "auto" });
      const bytes = new TextEncoder().encode(body);
      const outcomes = await delivery.deliver({
        id: "",
        envelope: { from, smtputf8: false, recipients: to.map((address) => ({ address, notify: [] })) },
        size: bytes.length,
        arrived: 0,
        content: () => [bytes],
      });
      await delivery.close();
      return outcomes.map(({ reply }) => `${reply.code} ${reply.enhanced}`);
    },
    call: (ask = []) => call(account, ask, post.caller),
    quiet: async () => void (await Promise.all(overs.splice(0))),
    async close() {
      stop.abort();
      await Promise.all(overs);
      await relay.spool.close();
      await house.close();
      folder.remove();
    },
  };
  return post;
}

/** Everything that a spool lists, gone or here. */
export async function entries(spool: Spool, gone = false): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  for await (const entry of spool.list({ gone })) all.push(entry);
  return all;
}

/** A message's octets as text. */
export async function contentOf(spool: Spool, id: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of (await spool.content(id)) ?? []) text += decoder.decode(piece, { stream: true });
  return text;
}
