/** The server side of a line: commands in, replies out; which of them come when is rules.ts's. */
// One command is unanswered at a time; only the final reply of a body may stay owed while the session reads on.

import { isAscii } from "../wire/address.ts";
import { decodeBase64, encodeBase64 } from "../wire/base64.ts";
import { type Command, LINE_LIMIT, parseCommand, type Verb } from "../wire/command.ts";
import { DotReader, PlainReader } from "../wire/dots.ts";
import { Inbox } from "../wire/inbox.ts";
import { isPositive, type Reply, reply } from "../wire/reply.ts";
import { ehloReply } from "./ehlo.ts";
import { ReplyQueue } from "./replies.ts";
import { foreignWord, gates, order, type State, say, waitsForOwed, wantsTls } from "./rules.ts";
import type { BodyToken, ServerEvent, ServerSession, ServerSettings } from "./session.ts";

/** Commands in a row that brought no mail forward, after which the peer is sent away. */
const IDLE_COMMANDS = 1_000;

/** What the octets that come next mean. */
type Phase =
  | { readonly is: "unopened" | "commands" | "sasl" }
  | { readonly is: "dots"; readonly reader: DotReader; spoilt: Reply | undefined }
  | { readonly is: "chunk"; left: number; readonly last: boolean; refusal: Reply | undefined };

/** The unanswered question, and the command it is about. */
type Question = "mail" | "rcpt" | "body" | "auth" | "starttls" | "atrn" | "etrn" | "wait";

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
  readonly #replies = new ReplyQueue();
  readonly #events: ServerEvent[] = [];
  #phase: Phase;
  #state: State = "new";
  #question: Question | undefined;
  /** A command that was parsed and has to wait until nothing is owed. */
  #head: Command | undefined;
  /** The BDAT whose body is being asked for. */
  #chunk: { readonly size: number; readonly last: boolean } | undefined;
  /** Reads the chunks of a body; lives from the first BDAT to LAST. */
  #chunks: PlainReader | undefined;
  #utf8 = false;
  #known = false;
  #recipients = 0;
  #idle = 0;
  #noMore = false;
  #tokens = 0;
  #turned = false;
  #ended = false;

  constructor(settings: ServerSettings, phase: Phase) {
    this.#settings = settings;
    this.#phase = phase;
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
    if (isPositive(answer) && (question === "starttls" || question === "atrn")) return this.#turn(answer);
    if (isPositive(answer) && question === "mail") this.#state = "mail";
    if (isPositive(answer) && question === "rcpt") this.#addRecipient();
    this.#replies.add(answer);
  }

  proceed(): void {
    this.#question = undefined;
    const chunk = this.#chunk;
    if (chunk === undefined) {
      this.#phase = { is: "dots", reader: new DotReader(this.#settings.bareLineEnds), spoilt: undefined };
      this.#replies.add(say.goAhead);
    } else {
      this.#chunks = new PlainReader(this.#settings.bareLineEnds);
      this.#state = "chunks";
      this.#phase = { is: "chunk", left: chunk.size, last: chunk.last, refusal: undefined };
    }
  }

  challenge(bytes: Uint8Array): void {
    this.#question = undefined;
    this.#phase = { is: "sasl" };
    this.#replies.add(reply(334, undefined, encodeBase64(bytes)));
  }

  authenticated(success: Reply): void {
    this.#known = true;
    this.#idle = 0;
    this.reply(success);
  }

  settle(token: BodyToken, replies: readonly Reply[]): void {
    this.#replies.settle(token, replies);
  }

  shut(farewell: Reply): void {
    if (this.#ended) return;
    if (this.#state !== "new" && this.#inTransaction()) this.#drop("lost");
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
      case "dots":
        return this.#readDots(this.#phase);
      case "chunk":
        return this.#readChunk(this.#phase);
      case "sasl":
        return this.#readResponse();
      default:
        return this.#readCommand();
    }
  }

  #readLine(): Uint8Array | undefined {
    const line = this.#inbox.line(LINE_LIMIT);
    if (line !== "long") return line;
    this.#fail("a line without end", say.lineTooLong);
    return undefined;
  }

  #readCommand(): boolean {
    if (this.#head !== undefined) return this.#run(this.#head);
    const line = this.#readLine();
    if (line === undefined) return this.#ended;
    if (this.#state === "new" && foreignWord.test(latin1(line.subarray(0, 8)))) {
      this.#fail("speaks another protocol", say.otherProtocol);
      return true;
    }
    if (++this.#idle > IDLE_COMMANDS) {
      this.#fail("too many commands for no mail", say.tooIdle);
      return true;
    }
    const command = parseCommand(line);
    if (!("problem" in command)) return this.#run(command);
    // Where chunks would begin behind a BDAT that cannot be read, nothing can be read any more.
    if (command.verb === "BDAT") this.#fail("a BDAT that cannot be read", command.problem);
    else this.#replies.add(command.problem);
    return true;
  }

  #run(command: Command): boolean {
    if (this.owed > 0 && waitsForOwed.has(command.verb)) {
      this.#head = command;
      return false;
    }
    this.#head = undefined;
    const refusal = this.#refusal(command);
    if (refusal === undefined) this.#obey(command);
    else if (command.verb === "BDAT") this.#skipChunk(command, refusal);
    else this.#replies.add(refusal);
    return true;
  }

  /** Why this command may not be given now; undefined: it may. */
  #refusal(command: Command): Reply | undefined {
    const { verb } = command;
    const gate = gates[this.#settings.service][verb];
    if (gate === "shut" || !this.#offered(verb))
      return verb === "STARTTLS" && this.#settings.secure ? say.tlsAlready : say.notHere;
    const turnOfIt = order[this.#state][verb];
    if (this.#settings.requireTls && !this.#settings.secure && wantsTls.has(verb) && this.#state !== "new")
      return say.tlsFirst;
    if (gate === "known" && !this.#known && this.#state !== "new") return say.authFirst;
    return turnOfIt === "go" ? undefined : turnOfIt;
  }

  #offered(verb: Verb): boolean {
    if (verb === "STARTTLS") return this.#settings.startTls;
    if (verb === "AUTH") return this.#settings.mechanisms.length > 0;
    return true;
  }

  #obey(command: Command): void {
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
        this.#chunk = undefined;
        return this.#ask("body", { type: "body", by: "DATA" });
      case "BDAT":
        return this.#bdat(command);
      case "RSET":
        if (this.#inTransaction()) this.#drop("asked");
        return this.#replies.add(say.ok);
      case "NOOP":
        return this.#replies.add(say.noop);
      case "HELP":
        return this.#replies.add(say.help);
      case "VRFY":
      case "EXPN":
        return this.#replies.add(say.vrfy);
      case "QUIT":
        return this.#quit();
      case "STARTTLS":
        return this.#inbox.length > 0
          ? this.#fail("octets behind STARTTLS", say.acrossTheTurn)
          : this.#ask("starttls", { type: "starttls" });
      case "AUTH":
        return this.#auth(command);
      case "ATRN":
        return this.#inbox.length > 0
          ? this.#fail("octets behind ATRN", say.acrossTheTurn)
          : this.#ask("atrn", { type: "atrn", domains: command.domains });
      case "ETRN":
        return this.#ask("etrn", { type: "etrn", node: command.node });
      case "XODMRWAIT":
        return this.#ask("wait", { type: "wait", domains: command.domains });
      default:
        command satisfies never;
    }
  }

  #ask(question: Question, event: ServerEvent): void {
    this.#question = question;
    this.#events.push(event);
  }

  #greeted({ verb, name }: Extract<Command, { verb: "EHLO" | "HELO" | "LHLO" }>): void {
    if (this.#inTransaction()) this.#drop("asked");
    this.#state = verb === "HELO" ? "plain" : "ready";
    this.#replies.add(
      verb === "HELO" ? reply(250, undefined, this.#settings.hostname) : ehloReply(this.#settings),
    );
    this.#events.push({ type: "greeted", verb, name });
  }

  #mail({ from, parameters }: Extract<Command, { verb: "MAIL" }>): void {
    if ((parameters.size ?? 0) > this.#settings.sizeLimit) return this.#replies.add(say.tooBig);
    if (!parameters.smtputf8 && !isAscii(from)) return this.#replies.add(say.needsUtf8);
    if (parameters.origin !== undefined && !this.#settings.ledger)
      return this.#replies.add(say.unknownParameter);
    this.#recipients = 0;
    this.#utf8 = parameters.smtputf8 === true;
    this.#ask("mail", { type: "mail", from, parameters });
  }

  #rcpt({ to, parameters }: Extract<Command, { verb: "RCPT" }>): void {
    if (this.#recipients >= this.#settings.recipientLimit) return this.#replies.add(say.tooManyRecipients);
    if (!this.#utf8 && !isAscii(to)) return this.#replies.add(say.needsUtf8);
    this.#ask("rcpt", { type: "rcpt", to, parameters });
  }

  #addRecipient(): void {
    this.#state = "rcpt";
    this.#recipients++;
    this.#idle = 0;
  }

  #auth({ mechanism, initial }: Extract<Command, { verb: "AUTH" }>): void {
    if (this.#known) return this.#replies.add(say.authAlready);
    if (!this.#settings.mechanisms.includes(mechanism)) return this.#replies.add(say.badMechanism);
    this.#ask("auth", { type: "auth", mechanism, initial });
  }

  #readResponse(): boolean {
    const line = this.#readLine();
    if (line === undefined) return this.#ended;
    this.#phase = commands;
    const text = latin1(line);
    const bytes = text === "*" ? undefined : decodeBase64(text);
    if (bytes === "bad") this.#replies.add(say.badBase64);
    else this.#ask("auth", { type: "response", bytes });
    return true;
  }

  #turn(answer: Reply): void {
    // Octets that came before our answer left were not said in answer to it (RFC 3207 §4.2, RFC 2645 §5).
    if (this.#inbox.length > 0) return this.#fail("spoke across the turn", say.acrossTheTurn);
    this.#replies.add(answer);
    this.#turned = true;
  }

  #quit(): void {
    if (this.#inTransaction()) this.#drop("lost");
    this.#replies.add(say.bye);
    this.#events.push({ type: "quit" });
    this.#ended = true;
  }

  // ---- bodies ----

  #refuseBody(answer: Reply): void {
    const chunk = this.#chunk;
    // A refused DATA ends its transaction; after a refused BDAT more chunks may follow, and only RSET is certain.
    if (chunk === undefined) {
      this.#state = "ready";
      this.#replies.add(answer);
    } else this.#skipChunk(chunk, answer);
  }

  #readDots(phase: Extract<Phase, { is: "dots" }>): boolean {
    const bytes = this.#inbox.peek();
    if (bytes.length === 0) return false;
    const { reader } = phase;
    const used = reader.read(
      bytes,
      (piece) => phase.spoilt ?? this.#events.push({ type: "octets", bytes: piece }),
    );
    this.#inbox.skip(used);
    if (phase.spoilt === undefined && reader.octets > this.#settings.sizeLimit) {
      phase.spoilt = say.tooBig;
      this.#drop("too big");
    }
    if (reader.done) this.#endOfDots(phase);
    return true;
  }

  #endOfDots({ reader, spoilt }: Extract<Phase, { is: "dots" }>): void {
    this.#phase = commands;
    if (reader.bare && this.#settings.bareLineEnds === "refuse")
      return this.#fail("a bare CR or LF in a body", say.bareLineEnd);
    if (spoilt === undefined) return this.#complete();
    this.#state = "ready";
    this.#replies.add(spoilt);
  }

  #bdat({ size, last }: Extract<Command, { verb: "BDAT" }>): void {
    if (size > this.#settings.sizeLimit) return this.#fail("a chunk over the size limit", say.tooBig);
    this.#chunk = { size, last };
    if (this.#chunks === undefined) return this.#ask("body", { type: "body", by: "BDAT" });
    this.#phase = { is: "chunk", left: size, last, refusal: undefined };
  }

  /** Reads the announced octets for nothing, then says why. */
  #skipChunk({ size, last }: { readonly size: number; readonly last: boolean }, refusal: Reply): void {
    if (size > this.#settings.sizeLimit) return this.#fail("a chunk over the size limit", say.tooBig);
    this.#phase = { is: "chunk", left: size, last, refusal };
  }

  #readChunk(phase: Extract<Phase, { is: "chunk" }>): boolean {
    if (phase.left === 0) {
      this.#endOfChunk(phase);
      return true;
    }
    const bytes = this.#inbox.take(phase.left);
    if (bytes.length === 0) return false;
    phase.left -= bytes.length;
    const chunks = this.#chunks;
    if (phase.refusal !== undefined || chunks === undefined) return true;
    chunks.read(bytes, (piece) => this.#events.push({ type: "octets", bytes: piece }));
    if (chunks.octets > this.#settings.sizeLimit) {
      phase.refusal = say.tooBig;
      this.#drop("too big");
    }
    return true;
  }

  #endOfChunk({ last, refusal }: Extract<Phase, { is: "chunk" }>): void {
    this.#phase = commands;
    if (refusal !== undefined) {
      if (this.#inTransaction()) this.#state = "spoilt";
      this.#chunks = undefined;
      return this.#replies.add(refusal);
    }
    const chunks = this.#chunks!;
    if (last) chunks.finish((piece) => this.#events.push({ type: "octets", bytes: piece }));
    if (last && chunks.bare && this.#settings.bareLineEnds === "refuse")
      return this.#fail("a bare CR or LF in a body", say.bareLineEnd);
    if (last) return this.#complete();
    this.#replies.add(reply(250, "2.0.0", `${this.#chunk?.size ?? 0} octets received`));
  }

  #complete(): void {
    const token = ++this.#tokens;
    this.#replies.owe(token);
    this.#events.push({ type: "complete", token });
    this.#chunks = undefined;
    this.#state = "ready";
    this.#idle = 0;
  }

  // ---- endings ----

  #inTransaction(): boolean {
    return (
      this.#state === "mail" || this.#state === "rcpt" || this.#state === "chunks" || this.#state === "spoilt"
    );
  }

  /** The transaction is gone; octets of it that nobody heard of yet are forgotten. */
  #drop(why: Extract<ServerEvent, { type: "reset" }>["why"]): void {
    const heard = this.#events.filter((event) => event.type !== "octets");
    this.#events.splice(0, Number.POSITIVE_INFINITY, ...heard, { type: "reset", why });
    this.#chunks = undefined;
    if (this.#inTransaction()) this.#state = "ready";
  }

  #fail(why: string, farewell: Reply): void {
    if (this.#inTransaction()) this.#drop("bad body");
    this.#question = undefined;
    this.#replies.add(farewell);
    this.#events.push({ type: "failed", why });
    this.#ended = true;
  }

  #hungUp(): ServerEvent | undefined {
    if (this.#inTransaction()) this.#drop("lost");
    this.#events.push({ type: "failed", why: "hung up" });
    this.#ended = true;
    return this.#events.shift();
  }
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const octet of bytes) text += String.fromCharCode(octet);
  return text;
}
