/** The client side of a line: commands out, replies in, each matched with the command it answers, in order. */
// A reply that nobody waits for ends the session; so do octets behind the reply that turns the line.

import { decodeBase64, encodeBase64 } from "../wire/base64.ts";
import { type Command, formatCommand } from "../wire/command.ts";
import { DotWriter } from "../wire/dots.ts";
import { Inbox } from "../wire/inbox.ts";
import { isPositive, type Reply, ReplyReader, ReplySyntaxError } from "../wire/reply.ts";
import { capabilities } from "./ehlo.ts";
import type { ClientEvent, ClientSession } from "./session.ts";

/** Commands that turn the line, and the reply that does. */
const turnedBy: Partial<Record<Command["verb"], number>> = { ATRN: 250, STARTTLS: 220, XODMRTURN: 250 };

/** RFC 5321 allows 512 octets; peers exceed it. */
const REPLY_LINE = 4_096;

/** What the next reply answers. `body`: the final reply or replies of a body. */
type Expected =
  | { readonly of: "greeting" }
  | { readonly of: "command"; readonly command: Command }
  | { readonly of: "body"; rest: number };

const encoder = new TextEncoder();
const nothing = new Uint8Array(0);

/** A session on a line where the server greets first. */
export function clientSession(dialect: "SMTP" | "LMTP" = "SMTP"): ClientSession {
  return new Client(dialect, true);
}

/** A session on a line that is under TLS now by STARTTLS: no greeting comes. */
export function renewedClientSession(dialect: "SMTP" | "LMTP" = "SMTP"): ClientSession {
  return new Client(dialect, false);
}

class Client implements ClientSession {
  readonly #lmtp: boolean;
  readonly #inbox = new Inbox();
  readonly #reader = new ReplyReader();
  readonly #expected: Expected[] = [];
  #out: Uint8Array[] = [];
  #dots: DotWriter | undefined;
  /** A 421: it answers its command like any other reply, and the peer closes behind it (RFC 5321 §3.8). */
  #farewell: Reply | undefined;
  #gaveUp = false;
  /** Recipients that the peer accepted in the transaction whose replies are being read: LMTP answers the body once for each. */
  #accepted = 0;
  #noMore = false;
  #turned = false;
  #ended = false;

  constructor(dialect: "SMTP" | "LMTP", greeted: boolean) {
    this.#lmtp = dialect === "LMTP";
    if (greeted) this.#expected.push({ of: "greeting" });
  }

  get unread(): number {
    return this.#inbox.length;
  }
  get outstanding(): number {
    return this.#expected.length;
  }
  get turned(): boolean {
    return this.#turned;
  }
  get ended(): boolean {
    return this.#ended;
  }

  feed(bytes: Uint8Array): void {
    this.#inbox.push(bytes);
  }

  feedEnd(): void {
    this.#noMore = true;
  }

  flush(): Uint8Array {
    const out = this.#out;
    this.#out = [];
    return out.length === 1 ? out[0]! : joined(out);
  }

  send(command: Command): void {
    this.#out.push(formatCommand(command));
    if (command.verb === "BDAT" && command.last) this.#expected.push({ of: "body", rest: 0 });
    else this.#expected.push({ of: "command", command });
  }

  body(bytes: Uint8Array): void {
    const put = (piece: Uint8Array) => this.#out.push(piece);
    if (this.#dots === undefined) put(bytes);
    else this.#dots.write(bytes, put);
  }

  bodyEnd(): void {
    (this.#dots ?? new DotWriter()).end((piece) => this.#out.push(piece));
    this.#dots = undefined;
    this.#expected.push({ of: "body", rest: 0 });
  }

  respond(bytes: Uint8Array | undefined): void {
    this.#gaveUp = bytes === undefined;
    this.#out.push(encoder.encode(`${bytes === undefined ? "*" : encodeBase64(bytes)}\r\n`));
  }

  next(): ClientEvent | undefined {
    if (this.#farewell !== undefined && !this.#ended)
      return this.#fail("closed", "the peer said goodbye", this.#farewell);
    while (!this.#ended && !this.#turned) {
      const line = this.#inbox.line(REPLY_LINE);
      if (line === undefined)
        return this.#noMore ? this.#fail("closed", "the peer closed the connection") : undefined;
      if (line === "long") return this.#fail("protocol", "a reply line without end");
      const reply = this.#read(line);
      if (reply instanceof ReplySyntaxError) return this.#fail("protocol", reply.message);
      if (reply !== undefined) return this.#match(reply);
    }
    return undefined;
  }

  #read(line: Uint8Array): Reply | ReplySyntaxError | undefined {
    try {
      return this.#reader.line(new TextDecoder().decode(line));
    } catch (fault) {
      if (fault instanceof ReplySyntaxError) return fault;
      throw fault;
    }
  }

  #match(reply: Reply): ClientEvent {
    const [expected] = this.#expected;
    if (expected === undefined) {
      const why = reply.code === 421 ? "the peer said goodbye" : "a reply that nothing asked for";
      return this.#fail(reply.code === 421 ? "closed" : "protocol", why, reply);
    }
    const event = this.#answer(expected, reply);
    if (reply.code === 421 && this.#expected[0] !== expected) this.#farewell = reply;
    return event;
  }

  #answer(expected: Expected, reply: Reply): ClientEvent {
    if (expected.of === "body") return this.#settled(expected, reply);
    if (expected.of === "greeting") {
      this.#expected.shift();
      return { type: "greeting", reply };
    }
    return this.#answered(expected.command, reply);
  }

  #settled(expected: { rest: number }, reply: Reply): ClientEvent {
    // Where no recipient was accepted, the body is answered once (RFC 2033 §4.2).
    if (expected.rest === 0) expected.rest = this.#lmtp ? Math.max(1, this.#accepted) : 1;
    if (--expected.rest === 0) this.#expected.shift();
    return { type: "settled", reply, rest: expected.rest };
  }

  #answered(command: Command, reply: Reply): ClientEvent {
    if (command.verb === "AUTH" && reply.code === 334) return this.#challenged(reply);
    this.#expected.shift();
    if (command.verb === "RCPT" && isPositive(reply)) this.#accepted++;
    if (command.verb === "MAIL") this.#accepted = 0;
    if (command.verb === "DATA" && reply.code === 354) this.#dots = new DotWriter();
    const turns = turnedBy[command.verb] === reply.code;
    if (turns && this.#inbox.length > 0)
      return this.#fail("injection", "octets came behind the reply that turns the line", reply);
    this.#turned = turns;
    const greeted = (command.verb === "EHLO" || command.verb === "LHLO") && isPositive(reply);
    return greeted
      ? { type: "reply", to: command, reply, capabilities: capabilities(reply) }
      : { type: "reply", to: command, reply };
  }

  #challenged(reply: Reply): ClientEvent {
    if (this.#gaveUp) return this.#fail("protocol", "a challenge though we gave up", reply);
    const bytes = decodeBase64(reply.text[0] ?? "");
    return bytes === "bad"
      ? this.#fail("protocol", "a challenge that is no base64", reply)
      : { type: "challenge", bytes };
  }

  #fail(fault: "closed" | "protocol" | "injection", why: string, reply?: Reply): ClientEvent {
    this.#ended = true;
    return reply === undefined ? { type: "failed", why, fault } : { type: "failed", why, fault, reply };
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 0) return nothing;
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
