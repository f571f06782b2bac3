/** Every place where mail comes in, behind one face: the relay's four doors, and the house after the turn. */
// In a talk `C:` is the peer and `P:` is ours, at the house too, where the provider is the client by then.
import type { Connection } from "../../src/net/connection.ts";
import { CallError } from "../../src/relay/callerror.ts";
import { takeIn } from "../../src/relay/house.ts";
import type { DoorSettings } from "../../src/relay/relay.ts";
import type { Spool } from "../../src/spool/spool.ts";
import { type PipeOptions, pipe } from "../support/pipe.ts";
import { contentOf, entries, type Post } from "../support/post.ts";
import { type PlayOptions, play, type Talk } from "../support/provider.ts";

export interface Listener {
  readonly name: string;
  /** From our greeting to where MAIL may be said. */
  readonly hello: Talk;
  /** Then MAIL and one RCPT, both accepted. */
  readonly ready: Talk;
  readonly service: DoorSettings["service"] | "reversed";
  /** Who may send here, to `bob@example.org`. */
  readonly sender: string;
}

const login = `C: AUTH PLAIN ${btoa("\0home\0home secret")}`;
const ehlo: Talk = ["P: 220 *", "C: EHLO peer.test", "list"];
const known: Talk = [...ehlo, login, "P: 235 *"];
const WORLD = "a@world.test";
const OWN = "ann@example.org";

const of = (service: Listener["service"], hello: Talk, sender: string): Listener => ({
  ...{ name: service === "reversed" ? "the house after the turn" : `the ${service} door`, service },
  ...{ hello, sender },
  ready: [...hello, `C: MAIL FROM:<${sender}>`, "P: 250 *", "C: RCPT TO:<bob@example.org>", "P: 250 *"],
});

export const listeners: readonly Listener[] = [
  of("intake", ehlo, WORLD),
  of("lmtp", ["P: 220 *", "C: LHLO peer.test", "list"], WORLD),
  of("submission", known, OWN),
  of("odmr", known, OWN),
  of("reversed", ehlo, WORLD),
];

export const quit: Talk = ["C: QUIT", "P: 221 *", "end"];

export interface VisitOptions extends PlayOptions {
  readonly line?: PipeOptions;
  readonly bareLineEnds?: DoorSettings["bareLineEnds"];
  readonly messageSize?: number;
}

const TLS = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };

/** A peer comes in. `over` resolves when the listener has done with it. Doors with a login are under TLS. */
export function enter(
  post: Post,
  { service }: Listener,
  { line, bareLineEnds = "refuse", messageSize = 100_000 }: VisitOptions = {},
): { readonly peer: Connection; readonly over: Promise<unknown> } {
  const secured = service === "submission" || service === "odmr" ? { tls: TLS } : {};
  if (service !== "reversed") {
    post.line = { clock: post.clock, ...secured, ...line };
    const { connection, over } = post.dial(service, { bareLineEnds });
    return { peer: connection, over };
  }
  const [peer, ours] = pipe({ clock: post.clock, ...line });
  const { house: spool, clock, log } = post;
  const domains = ["example.org"];
  const house = { spool, clock, log, hostname: "house.test", account: "vps", domains, messageSize };
  const over = takeIn(house, ours)
    .catch((fault: unknown) => {
      if (!(fault instanceof CallError)) throw fault;
    })
    .finally(() => ours.close());
  return { peer, over };
}

/** Comes in and follows the talk to its end. @returns all that we said */
export async function visit(
  post: Post,
  listener: Listener,
  talk: Talk,
  options: VisitOptions = {},
): Promise<string> {
  const { peer, over } = enter(post, listener, options);
  const heard = await play(peer, "C", talk, { clock: post.clock, ...options });
  await over;
  return heard;
}

export const spoolOf = (post: Post, { service }: Listener): Spool =>
  service === "reversed" ? post.house : post.relay.spool;

export interface Kept {
  readonly from: string;
  readonly to: readonly string[];
  /** Without the trace fields that were put on top. */
  readonly body: string;
}

/** What a listener has taken in, oldest first. */
export async function kept(post: Post, listener: Listener): Promise<readonly Kept[]> {
  const spool = spoolOf(post, listener);
  const all: Kept[] = [];
  for (const { id, sender, recipients } of await entries(spool)) {
    const content = await contentOf(spool, id);
    all.push({
      from: sender,
      to: recipients.map(({ address }) => address),
      body: content.replace(/^(?:Received:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*)/, ""),
    });
  }
  return all;
}

/** After whatever came, the next peer is served as ever. */
export async function nextIsServed(post: Post, listener: Listener): Promise<void> {
  const talk = [
    ...listener.ready,
    "C: DATA",
    "P: 354 *",
    "C: Subject: next",
    "C: ",
    "C: .",
    "P: 250 *",
    ...quit,
  ];
  await visit(post, listener, talk);
}
