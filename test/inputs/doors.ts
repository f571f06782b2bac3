/** Every place where somebody comes in, each by every kind of line: cut at every octet, in the clear and under real TLS. */
// In a talk `C:` is the peer and `P:` is ours, at the house too, where the provider is the client by then.
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { connect, type NetConnectOpts } from "node:net";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { ClientTls, Connection, ServerTls } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { type Listener, listen } from "../../src/net/listen.ts";
import { connectionOver } from "../../src/net/socket.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { pbkdf2Sha256 } from "../../src/platform/hash.ts";
import { type Account, call } from "../../src/relay/call.ts";
import { CallError } from "../../src/relay/callerror.ts";
import { Credentials } from "../../src/relay/credentials.ts";
import { type HomeListener, homeBook, openHome } from "../../src/relay/homeoffice.ts";
import { type Office, openOffice } from "../../src/relay/office.ts";
import type { DoorPlan } from "../../src/relay/porch.ts";
import { receive } from "../../src/relay/reception.ts";
import type { Book, Relay } from "../../src/relay/relay.ts";
import { temporary } from "../spool/support.ts";
import { certs, type Identity } from "../support/certs.ts";
import { pipe } from "../support/pipe.ts";
import { HOME, openPost, type Post } from "../support/post.ts";
import { play, type Talk } from "../support/provider.ts";

/** The relay's four doors, the house's own for its mail server, and the house after the turn. */
export type Service = DoorPlan["service"] | "home" | "reversed";

/** octets: in memory, one octet at a time · the others: real sockets; unix: of a path, in the clear. */
export type Line = "octets" | "clear" | "unix" | "starttls" | "implicit";

export interface Entrance {
  readonly service: Service;
  readonly line: Line;
}

const lines: Readonly<Record<Service, readonly Line[]>> = {
  intake: ["octets", "clear", "starttls"],
  lmtp: ["octets", "clear", "unix", "starttls"],
  submission: ["octets", "clear", "starttls", "implicit"],
  odmr: ["octets", "clear", "starttls", "implicit"],
  home: ["octets", "clear"],
  reversed: ["octets", "clear", "starttls", "implicit"],
};

export const services = Object.keys(lines) as readonly Service[];
export const entrances: readonly Entrance[] = services.flatMap((service) =>
  lines[service].map((line) => ({ service, line })),
);

/** In memory nothing is a runtime's own: those lines are tried on one of them. */
export const tried: readonly Entrance[] =
  "Deno" in globalThis ? entrances.filter(({ line }) => line !== "octets") : entrances;

const places: Readonly<Record<Service, string>> = {
  intake: "the intake door",
  lmtp: "the LMTP door",
  submission: "the submission door",
  odmr: "the ODMR door",
  home: "the house's own door",
  reversed: "the house after the turn",
};
const ways: Readonly<Record<Line, string>> = {
  octets: "octet by octet",
  clear: "in the clear",
  unix: "by a unix socket",
  starttls: "under TLS by STARTTLS",
  implicit: "under TLS from the first octet",
};
export const nameOf = ({ service, line }: Entrance): string => `${places[service]}, ${ways[line]}`;

/** Customers log in there before anything else. */
export const hasLogin = ({ service }: Entrance): boolean => service === "submission" || service === "odmr";
/** In memory, doors with a login are under TLS. */
export const isSecure = (entrance: Entrance): boolean =>
  entrance.line === "starttls" ||
  entrance.line === "implicit" ||
  (entrance.line === "octets" && hasLogin(entrance));
export const isReal = ({ line }: Entrance): boolean => line !== "octets";

export const MESSAGE_SIZE = 2_000_000;
export const WORK = {
  ...HOME,
  name: "work",
  domains: ["work.test"],
  recipients: ["ann@work.test"],
  quota: 600,
};

/** Who came in, before our greeting was read; `over` resolves when the listener has done with it. */
export interface Visit {
  readonly peer: Connection;
  over(): Promise<unknown>;
}

export interface KnockOptions {
  /** The peer's address. */
  readonly from?: string;
  /** The certificate that it shows. */
  readonly identity?: Identity;
  /** Another port that leads to the door. */
  readonly through?: (port: number) => Promise<number>;
}

const FACTS = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };
const LONG = 600_000;

export class Doors {
  readonly post: Post;
  readonly #folder = temporary();
  readonly #clock: Clock;
  readonly #tls: ServerTls;
  #office!: Office;
  #home!: HomeListener;
  #providers!: Readonly<Record<"clear" | "implicit", Listener>>;
  #called: ((connection: Connection) => void) | undefined;
  /** Who comes next is let in when something of his is here. */
  #late = false;
  #overs: Promise<unknown>[] = [];

  private constructor(post: Post, clock: Clock) {
    this.post = post;
    this.#clock = clock;
    this.#tls = { ...certs().server, clientCa: certs().ca, askClient: true };
  }

  static async open(clock: Clock = systemClock, limits: Partial<Book> = {}): Promise<Doors> {
    const post = await openPost({ clock, customers: [HOME, WORK], messageSize: MESSAGE_SIZE });
    const doors = new Doors(post, clock);
    await doors.#open(limits);
    return doors;
  }

  async close(): Promise<void> {
    await Promise.all([this.#office.close(), this.#home.close()]);
    await Promise.all(Object.values(this.#providers).map((listener) => listener.close()));
    await this.post.close();
    this.#folder.remove();
  }

  /** Whoever guessed is forgotten. */
  forgetGuesses(): void {
    const people = [
      { user: "home", password: "home secret", certificate: { name: "home.test" } },
      { user: "work", password: "work secret", certificate: { name: "other.test" } },
    ];
    const secret = new Uint8Array(32);
    const credentials = new Credentials(people, { pbkdf2: pbkdf2Sha256, secret });
    this.#office.renew({ ...this.book, credentials });
  }

  get book(): Book {
    return this.#office.book;
  }

  /** Resolves when the office has done with every line so far. */
  async quiet(): Promise<void> {
    await Promise.all(this.#overs.splice(0));
  }

  portOf({ service, line }: Entrance): number {
    if (service === "home") return this.#home.address.port;
    const at = plans.findIndex(
      (plan) => plan.service === service && plan.implicitTls === (line === "implicit"),
    );
    return this.#office.addresses[at]!.port;
  }

  /** Of the ODMR door that wants TLS before anything else. */
  get strictPort(): number {
    return this.#office.addresses[plans.findIndex(({ requireTls }) => requireTls)]!.port;
  }

  get #socket(): string {
    return join(this.#folder.path, "lmtp.sock");
  }

  /** Comes in at a door; under TLS by now only where that is due from the first octet. */
  async knock(entrance: Entrance, options: KnockOptions = {}): Promise<Visit> {
    if (entrance.service === "reversed") return this.#turn(entrance);
    if (entrance.line === "octets") return this.#step(entrance);
    if (entrance.line === "unix") {
      const peer = await connectionTo({ path: this.#socket });
      return { peer, over: () => this.quiet() };
    }
    const { from, identity, through = async (port) => port } = options;
    const plain = await knockAt(await through(this.portOf(entrance)), from);
    if (entrance.line !== "implicit") return { peer: plain, over: () => this.quiet() };
    const peer = await plain.startTls({ as: "client", tls: trusting(identity) }, LONG);
    return { peer, over: () => this.quiet() };
  }

  /** Says this before our greeting: it is here before we come to the door, or behind the 250 of the turn. */
  async intrude(entrance: Entrance, octets: string): Promise<Visit> {
    if (entrance.service === "reversed") return this.#turn(entrance, octets);
    this.#late = true;
    const visit = await this.knock(entrance);
    await visit.peer.write(new TextEncoder().encode(octets), LONG);
    return visit;
  }

  /** Comes in and hears our greeting; under TLS where that is how this door is entered. */
  async enter(entrance: Entrance, options: KnockOptions = {}): Promise<Visit> {
    const { peer, over } = await this.knock(entrance, options);
    await play(peer, "C", ["P: 220 *"]);
    if (entrance.line !== "starttls" || entrance.service === "reversed") return { peer, over };
    await play(peer, "C", [...helloAt(entrance), "C: STARTTLS", "P: 220 *"]);
    const tls = trusting(options.identity);
    return { peer: await peer.startTls({ as: "client", tls }, LONG), over };
  }

  async #open(limits: Partial<Book>): Promise<void> {
    const { post } = this;
    const book = { ...post.relay.book, tls: this.#tls, ...limits };
    const listenHere = (options: Parameters<typeof listen>[0]) =>
      listen({
        ...options,
        onConnection: (connection) => {
          const here = this.#late ? pendingAt(connection) : Promise.resolve();
          this.#late = false;
          const session = here.then(() => options.onConnection(connection));
          this.#overs.push(session.catch(() => undefined));
          return session;
        },
      });
    const doors = [...plans, { ...plan("lmtp", false), address: { path: this.#socket } }];
    const limit = { maxConnections: 20_000, perAddress: 10_000 };
    this.#office = await openOffice({ ...post.relay, book }, { doors, ...limit, listen: listenHere });
    this.forgetGuesses();
    this.#home = await openHome(() => this.#house, {
      address: { host: "127.0.0.1", port: 0 },
      admits: () => true,
      listen: listenHere,
    });
    const listening = (tls?: ServerTls) =>
      listen({
        ...{
          address: { host: "127.0.0.1", port: 0 },
          clock: systemClock,
          maxConnections: 99,
          perAddress: 99,
        },
        ...(tls && { tls }),
        onConnection: (connection) => this.#called?.(connection),
        onError: () => undefined,
      });
    this.#providers = { clear: await listening(), implicit: await listening(certs().server) };
  }

  /** The house as a relay, for its own mail server. */
  get #house(): Relay {
    const { post } = this;
    const accounts = [{ name: "vps", domains: HOME.domains }];
    const outgoing = { via: "vps", from: ["*@example.org"], expire: LONG, messageSize: MESSAGE_SIZE };
    return {
      ...post.relay,
      ...{ hostname: "house.test", spool: post.house, book: homeBook({ accounts, outgoing }) },
    };
  }

  /** In memory, every octet by itself. */
  #step({ service }: Entrance): Visit {
    const tls = service === "submission" || service === "odmr" ? { tls: FACTS } : {};
    const [peer, ours] = pipe({ clock: this.#clock, split: "octets", ...tls });
    const relay = service === "home" ? this.#house : { ...this.post.relay, book: this.book };
    const door = {
      service: service === "home" ? "intake" : (service as DoorPlan["service"]),
      ...{ startTls: true, requireTls: false },
      bareLineEnds: service === "home" ? "normalise" : "refuse",
    } as const;
    const over = receive(relay, door, ours);
    return { peer, over: () => over };
  }

  /** The house calls, and this is its provider; behind the turn. @param behind what is said in the segment of the 250 */
  async #turn({ line }: Entrance, behind = ""): Promise<Visit> {
    const { post } = this;
    const { promise, resolve } = Promise.withResolvers<Connection>();
    const tls = line === "starttls" || line === "implicit" ? line : "none";
    const account: Account = { ...post.account, tls, ca: certs().ca, messageSize: MESSAGE_SIZE };
    const { port } = this.#providers[line === "implicit" ? "implicit" : "clear"].address;
    const called = call(account, [], {
      ...post.caller,
      dial: async (_, tls) => {
        if (line !== "octets") {
          this.#called = resolve;
          return dial({ host: "127.0.0.1", port, clock: this.#clock, within: LONG, ...(tls && { tls }) });
        }
        const [there, here] = pipe({ clock: this.#clock, split: "octets" });
        resolve(there);
        return here;
      },
    }).catch((fault: unknown) => {
      if (!(fault instanceof CallError)) throw fault;
    });
    let peer = await promise;
    const hello: Talk = [
      "C: EHLO *",
      "P: 250-relay.test",
      "P: 250-STARTTLS",
      "P: 250-AUTH CRAM-MD5",
      "P: 250 ATRN",
    ];
    await play(peer, "P", ["P: 220 relay.test"]);
    if (line === "starttls") {
      await play(peer, "P", [...hello, "C: STARTTLS", "P: 220 go"]);
      peer = await peer.startTls({ as: "server", tls: certs().server }, LONG);
    }
    const login: Talk = ["C: AUTH CRAM-MD5", "P: 334 PDEyMz4=", "C: *", "P: 235 welcome"];
    await play(peer, "P", [...hello, ...login, "C: ATRN", `P: 250 turning\r\n${behind}\\`]);
    return { peer, over: () => called };
  }
}

/** A connection to a port of this host, from one of its addresses. */
export async function knockAt(port: number, from = "127.0.0.1"): Promise<Connection> {
  return connectionTo({ host: "127.0.0.1", port, localAddress: from, noDelay: true });
}

async function connectionTo(options: NetConnectOpts): Promise<Connection> {
  const raw = connect({ ...options, allowHalfOpen: true });
  await once(raw, "connect");
  return connectionOver(raw, systemClock);
}

/** Resolves when something is here to be read. */
async function pendingAt(connection: Connection): Promise<void> {
  while (connection.pending === 0) await setImmediate();
}

const trusting = (identity: Identity | undefined): ClientTls => ({
  ...{ servername: "relay.test", ca: certs().ca },
  ...identity,
});

const plan = (service: DoorPlan["service"], implicitTls: boolean): DoorPlan => ({
  ...{ service, implicitTls, startTls: !implicitTls, requireTls: false, bareLineEnds: "refuse" },
  ...{ address: { host: "127.0.0.1", port: 0 }, admits: () => true },
});

const plans: readonly DoorPlan[] = [
  plan("intake", false),
  plan("lmtp", false),
  plan("submission", false),
  plan("submission", true),
  plan("odmr", false),
  plan("odmr", true),
  { ...plan("odmr", false), requireTls: true },
];

export const helloAt = ({ service }: Entrance): Talk => [
  `C: ${service === "lmtp" ? "LHLO" : "EHLO"} peer.test`,
  "list",
];

/** Says who it is: home, by what may be said on this line. */
export async function logIn(entrance: Entrance, peer: Connection, user = "home"): Promise<void> {
  if (isSecure(entrance))
    return void (await play(peer, "C", [`C: ${plain(user, `${user} secret`)}`, "P: 235 *"]));
  const asked = await play(peer, "C", ["C: AUTH CRAM-MD5", "P: 334 *"]);
  const challenge = Buffer.from(asked.slice(4).trim(), "base64");
  const digest = createHmac("md5", `${user} secret`).update(challenge).digest("hex");
  await play(peer, "C", [`C: ${btoa(`${user} ${digest}`)}`, "P: 235 *"]);
}

export const plain = (user: string, password: string): string =>
  `AUTH PLAIN ${btoa(`\0${user}\0${password}`)}`;
