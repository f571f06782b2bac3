/** The server side of a line: commands in, replies out; which of them come when is rules.ts's. */
// One command is unanswered at a time; only the final reply of a body may stay owed while the session reads on.

import { encodeBase64 } from "../wire/base64.ts";
import type { Command } from "../wire/command.ts";
import { Inbox } from "../wire/inbox.ts";
import { isPositive, type Reply, reply } from "../wire/reply.ts";
import { Bodies, type BodyReader } from "./body.ts";
import { CommandReader } from "./commands.ts";
import { beyondEhlo, ehloReply } from "./ehlo.ts";
import { ReplyQueue } from "./replies.ts";
import { refusalOf, say, smallTalk, waitsForOwed } from "./rules.ts";
import type { BodyToken, ServerEvent, ServerSession, ServerSettings } from "./session.ts";
import { Transaction } from "./transaction.ts";

/** What the octets that come next mean. */
type Phase =
  | { readonly is: "unopened" | "commands" | "sasl" }
  | { readonly is: "body"; readonly reader: BodyReader };

/** A command of these verbs. */
type Given<V extends Command["verb"]> = Extract<Command, { readonly verb: V }>;

/** An event that wants an answer before there is another. */
type Question = Extract<
  ServerEvent,
  { readonly type: "mail" | "rcpt" | "body" | "auth" | "response" | "etrn" | "wait" | "pair" | Turning }
>;

/** Questions whose success turns the line: nothing may have come behind them, nor may anything come before the answer. */
type Turning = "starttls" | "atrn" | "again";
const turning: ReadonlySet<string | undefined> = new Set<Turning>(["starttls", "atrn", "again"]);

const commands: Phase = { is: "commands" };

/** A session for a peer that just connected: greet() it. */
export function serverSession(settings: ServerSettings): ServerSession {
  return new Server(settings, { is: "unopened" });
}

/** A session on a line that is under TLS now by STARTTLS: everything is forgotten, and no greeting is said (RFC 3207 §4.2). */
export function renewedServerSession(settings: ServerSettings): ServerSession {
  return new Server(settings, commands);
}

class Server implements ServerSession {
  readonly #settings: ServerSettings;
  readonly #inbox = new Inbox();
  readonly #commands = new CommandReader();
  readonly #replies = new ReplyQueue();
  readonly #events: ServerEvent[] = [];
  readonly #transaction = new Transaction();
  readonly #bodies: Bodies;
  #phase: Phase;
  #question: Question["type"] | undefined;
  /** A command that was parsed and has to wait until nothing is owed. */
  #head: Command | undefined;
  #known: boolean;
  #noMore = false;
  #tokens = 0;
  #turned = false;
  #ended = false;

  constructor(settings: ServerSettings, phase: Phase) {
    this.#settings = settings;
    this.#bodies = new Bodies(settings);
    this.#phase = phase;
    this.#known = settings.known === true;
  }

  get unread(): number {
    return this.#inbox.length;
  }
  get turned(): boolean {
    return this.#turned;
  }
  get ended(): boolean {
    return this.#ended;
  }
  get owed(): number {
    return this.#replies.owed;
  }
  get blocked(): boolean {
    return this.owed > 0 && (this.#head !== undefined || this.owed >= this.#settings.owedLimit);
  }

  feed(bytes: Uint8Array): void {
    this.#inbox.push(bytes);
  }

  feedEnd(): void {
    this.#noMore = true;
  }

  flush(): Uint8Array {
    return this.#replies.flush();
  }

  // ---- what the driver says ----

  greet(greeting: Reply): void {
    if (this.#inbox.length > 0) return this.#fail("spoke before the greeting", say.spokeFirst);
    this.#replies.add(greeting);
    this.#phase = commands;
    if (!isPositive(greeting)) this.#ended = true;
  }

  reply(answer: Reply): void {
    const question = this.#question;
    this.#question = undefined;
    if (question === "body") return this.#refuseBody(answer);
    if (isPositive(answer) && turning.has(question)) return this.#turn(answer);
    if (isPositive(answer) && question === "mail") this.#transaction.sent();
    if (isPositive(answer) && question === "rcpt") this.#addRecipient();
    this.#replies.add(answer);
  }

  proceed(): void {
    this.#question = undefined;
    this.#phase = { is: "body", reader: this.#bodies.admit() };
    if (this.#bodies.chunked) this.#transaction.chunked();
    else this.#replies.add(say.goAhead);
  }

  challenge(bytes: Uint8Array): void {
    this.#question = undefined;
    this.#phase = { is: "sasl" };
    this.#replies.add(reply(334, undefined, encodeBase64(bytes)));
  }

  authenticated(success: Reply): void {
    this.#known = true;
    this.#commands.fruitful();
    this.reply(success);
  }

  settle(token: BodyToken, replies: readonly Reply[]): void {
    this.#replies.settle(token, replies);
  }

  shut(farewell: Reply): void {
    if (this.#ended) return;
    if (this.#transaction.open) this.#drop("lost");
    this.#replies.add(farewell);
    this.#ended = true;
  }

  // ---- what the driver hears ----

  next(): ServerEvent | undefined {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return event;
      if (this.#ended || this.#turned || this.#question !== undefined || this.#phase.is === "unopened")
        return undefined;
      if (this.owed >= this.#settings.owedLimit) return undefined;
      if (!this.#step()) return this.#noMore && !this.blocked ? this.#hungUp() : undefined;
    }
  }

  /** Uses some input. False: more is needed, or a settled body. */
  #step(): boolean {
    switch (this.#phase.is) {
      case "body":
        return this.#readBody(this.#phase.reader);
      case "sasl":
        return this.#readResponse();
      default:
        return this.#readCommand();
    }
  }

  #readCommand(): boolean {
    if (this.#head !== undefined) return this.#run(this.#head);
    const heard = this.#commands.next(this.#inbox);
    if (heard === undefined) return false;
    if ("fault" in heard) this.#fail(heard.fault, heard.farewell);
    else if ("problem" in heard) this.#replies.add(heard.problem);
    else return this.#run(heard);
    return true;
  }

  #run(command: Command): boolean {
    if (this.owed > 0 && waitsForOwed.has(command.verb)) {
      this.#head = command;
      return false;
    }
    this.#head = undefined;
    const refusal = refusalOf(command.verb, {
      settings: this.#settings,
      state: this.#transaction.state,
      known: this.#known,
    });
    if (command.verb === "BDAT") this.#bdat(command, refusal);
    else if (refusal !== undefined) this.#replies.add(refusal);
    else this.#obey(command);
    return true;
  }

  #obey(command: Exclude<Command, Given<"BDAT">>): void {
    switch (command.verb) {
      case "EHLO":
      case "HELO":
      case "LHLO":
        return this.#greeted(command);
      case "MAIL":
        return this.#mail(command);
      case "RCPT":
        return this.#rcpt(command);
      case "DATA":
        this.#bodies.data();
        return this.#ask({ type: "body", by: "DATA" });
      case "RSET":
        if (this.#transaction.open) this.#drop("asked");
        return this.#replies.add(say.ok);
      case "NOOP":
      case "HELP":
      case "VRFY":
      case "EXPN":
        return this.#replies.add(smallTalk[command.verb]);
      case "QUIT":
        return this.#quit();
      case "STARTTLS":
        return this.#askAlone(command.verb, { type: "starttls" });
      case "AUTH":
        return this.#auth(command);
      case "ATRN":
        return this.#askAlone(command.verb, { type: "atrn", domains: command.domains });
      case "ETRN":
        return this.#ask({ type: "etrn", node: command.node });
      case "XODMRWAIT":
        return this.#ask({ type: "wait", domains: command.domains, size: command.size });
      case "XODMRTURN":
        return this.#askAlone(command.verb, { type: "again" });
      case "XODMRPAIR":
        return this.#ask({ type: "pair", token: command.token, certificate: command.certificate });
      default:
        command satisfies never;
    }
  }

  #ask(question: Question): void {
    this.#question = question.type;
    this.#events.push(question);
  }

  /** Asks what may turn the line. */
  #askAlone(verb: string, question: Question): void {
    if (this.#inbox.length === 0) this.#ask(question);
    else this.#fail(`octets behind ${verb}`, say.acrossTheTurn);
  }

  #greeted({ verb, name }: Given<"EHLO" | "HELO" | "LHLO">): void {
    if (this.#transaction.open) this.#drop("asked");
    this.#transaction.greeted(verb);
    this.#replies.add(
      verb === "HELO" ? reply(250, undefined, this.#settings.hostname) : ehloReply(this.#settings),
    );
    this.#events.push({ type: "greeted", verb, name });
  }

  #mail({ from, parameters }: Given<"MAIL">): void {
    const refusal = beyondEhlo(from, parameters, this.#settings);
    if (refusal !== undefined) return this.#replies.add(refusal);
    this.#transaction.prepare(parameters);
    this.#ask({ type: "mail", from, parameters });
  }

  #rcpt({ to, parameters }: Given<"RCPT">): void {
    const refusal = this.#transaction.refusalOf(to, this.#settings.recipientLimit);
    if (refusal !== undefined) return this.#replies.add(refusal);
    this.#ask({ type: "rcpt", to, parameters });
  }

  #addRecipient(): void {
    this.#transaction.addressed();
    this.#commands.fruitful();
  }

  #auth({ mechanism, initial }: Given<"AUTH">): void {
    if (this.#known) return this.#replies.add(say.authAlready);
    if (!this.#settings.mechanisms.includes(mechanism)) return this.#replies.add(say.badMechanism);
    this.#ask({ type: "auth", mechanism, initial });
  }

  #readResponse(): boolean {
    const heard = this.#commands.response(this.#inbox);
    if (heard === undefined) return false;
    this.#phase = commands;
    if (heard === "bad") this.#replies.add(say.badBase64);
    else if (heard === "gave up") this.#ask({ type: "response", bytes: undefined });
    else if ("fault" in heard) this.#fail(heard.fault, heard.farewell);
    else this.#ask({ type: "response", bytes: heard });
    return true;
  }

  #turn(answer: Reply): void {
    // Octets that came before our answer left were not said in answer to it (RFC 3207 §4.2, RFC 2645 §5).
    if (this.#inbox.length > 0) return this.#fail("spoke across the turn", say.acrossTheTurn);
    this.#replies.add(answer);
    this.#turned = true;
  }

  #quit(): void {
    if (this.#transaction.open) this.#drop("lost");
    this.#replies.add(say.bye);
    this.#events.push({ type: "quit" });
    this.#ended = true;
  }

  // ---- bodies ----

  /** A refused DATA ends its transaction; after a refused BDAT more chunks may follow, and only RSET is certain. */
  #refuseBody(answer: Reply): void {
    const reader = this.#bodies.refuse(answer);
    if (reader !== undefined) this.#phase = { is: "body", reader };
    else {
      this.#transaction.end();
      this.#replies.add(answer);
    }
  }

  /** False: more octets are needed. */
  #readBody(body: BodyReader): boolean {
    const step = body.step(this.#inbox, (piece) => this.#events.push({ type: "octets", bytes: piece }));
    switch (step) {
      case "hungry":
        return false;
      case "going":
        return true;
      case "too big":
        this.#drop("too big");
        return true;
      default:
        this.#phase = commands;
        this.#endOfBody(step, body.refusal);
        return true;
    }
  }

  #endOfBody(step: "received" | "whole" | "bare" | "refused", refusal: Reply): void {
    if (step === "received")
      return this.#replies.add(reply(250, "2.0.0", `${this.#bodies.size} octets received`));
    if (step === "whole") return this.#complete();
    if (step === "bare") return this.#fail("a bare CR or LF in a body", say.bareLineEnd);
    this.#transaction.spoil();
    this.#bodies.end();
    this.#replies.add(refusal);
  }

  #bdat({ size, last }: Given<"BDAT">, refusal: Reply | undefined): void {
    if (size > this.#settings.sizeLimit) return this.#fail("a chunk over the size limit", say.tooBig);
    // A large body may come in thousands of chunks; the size limit bounds them, if they are not empty.
    if (size > 0 && refusal === undefined) this.#commands.fruitful();
    const announced = { size, last };
    const reader = refusal ? this.#bodies.skip(announced, refusal) : this.#bodies.chunk(announced);
    if (reader === undefined) this.#ask({ type: "body", by: "BDAT" });
    else this.#phase = { is: "body", reader };
  }

  #complete(): void {
    const token = ++this.#tokens;
    this.#replies.owe(token);
    this.#events.push({ type: "complete", token });
    this.#bodies.end();
    this.#transaction.end();
    this.#commands.fruitful();
  }

  // ---- endings ----

  /** The transaction is gone; octets of it that nobody heard of yet are forgotten. */
  #drop(why: Extract<ServerEvent, { type: "reset" }>["why"]): void {
    const heard = this.#events.filter((event) => event.type !== "octets");
    this.#events.splice(0, Number.POSITIVE_INFINITY, ...heard, { type: "reset", why });
    this.#bodies.end();
    this.#transaction.end();
  }

  #fail(why: string, farewell: Reply): void {
    if (this.#transaction.open) this.#drop("bad body");
    this.#question = undefined;
    this.#replies.add(farewell);
    this.#events.push({ type: "failed", why });
    this.#ended = true;
  }

  #hungUp(): ServerEvent | undefined {
    if (this.#transaction.open) this.#drop("lost");
    this.#events.push({ type: "failed", why: "hung up" });
    this.#ended = true;
    return this.#events.shift();
  }
}
