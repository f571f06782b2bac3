/** A client's talk over a connection: say a command, get a promise of its reply; several may be under way at once. */
// Replies are read only while something is outstanding, and while we write: a full window must not deadlock both ends.
import { clientSession, renewedClientSession } from "../smtp/client.ts";
import { noCapabilities } from "../smtp/ehlo.ts";
import type { Capabilities, ClientEvent, ClientSession } from "../smtp/session.ts";
import type { Command, Verb } from "../wire/command.ts";
import { type Reply, reply } from "../wire/reply.ts";
import { type Connection, ConnectionError } from "./connection.ts";

/** The line is gone, or the peer broke the protocol, before the answer came. */
export class LineError extends Error {
  override readonly name = "LineError";
  readonly fault: "closed" | "protocol" | "injection" | "timeout";
  /** The reply that ended it (a 421), where there was one. */
  readonly reply: Reply | undefined;
  constructor(fault: LineError["fault"], message: string, said?: Reply, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
    this.reply = said;
  }
}

/** Milliseconds to wait for an answer (RFC 5321 §4.5.3.2; ATRN: RFC 2645 §5.1; a goodbye is not worth a wait). */
const MINUTE = 60_000;
const waits: Partial<Record<Verb | "greeting" | "body", number>> = {
  greeting: 5 * MINUTE,
  DATA: 2 * MINUTE,
  body: 10 * MINUTE,
  ATRN: 10 * MINUTE,
  QUIT: 10_000,
};
const OTHERWISE = 5 * MINUTE;
const WRITE = 3 * MINUTE;

interface Waiting {
  readonly of: Verb | "greeting" | "body";
  readonly answered: (replies: readonly Reply[], capabilities?: Capabilities) => void;
  readonly failed: (why: LineError) => void;
  readonly replies: Reply[];
  readonly challenged?: (bytes: Uint8Array) => Uint8Array | undefined;
  /** Milliseconds, where the table above does not know. */
  readonly within?: number;
}

export class Talk {
  readonly connection: Connection;
  /** What the last EHLO or LHLO listed. */
  capabilities: Capabilities = noCapabilities;
  readonly #session: ClientSession;
  readonly #waiting: Waiting[] = [];
  #reading = false;
  /** When we last said or heard something whole: a reply is due so long after it, however it drips. */
  #since = 0;
  #soon = false;
  #error: LineError | undefined;

  /** @param renewed the line is under TLS by STARTTLS now: no greeting comes */
  constructor(connection: Connection, dialect: "SMTP" | "LMTP" = "SMTP", renewed?: "renewed") {
    this.connection = connection;
    this.#session = renewed ? renewedClientSession(dialect) : clientSession(dialect);
  }

  /** Whether the peer's answer turned the line: this talk is over, the connection lives on. */
  get turned(): boolean {
    return this.#session.turned;
  }

  /** Why nothing more can be said; undefined while all is well. */
  get error(): LineError | undefined {
    return this.#error;
  }

  /** The peer's greeting, `within` milliseconds or as long as is usual for it. @throws LineError */
  async greeting(within?: number): Promise<Reply> {
    const greeting = this.#expect("greeting", within === undefined ? {} : { within });
    this.#listen();
    return (await greeting)[0]!;
  }

  /** Queues a command; flush() sends it. The reply may be awaited later. @throws LineError by the promise */
  say(command: Command, within?: number): Promise<Reply> {
    const answer = this.#expect(command.verb, within === undefined ? {} : { within }).then(
      (replies) => replies[0]!,
    );
    answer.catch(ignored);
    if (this.#error === undefined) this.#session.send(command);
    return answer;
  }

  /** Says one command and waits for its reply, `within` milliseconds or as long as is usual for it. @throws LineError */
  async ask(command: Command, within?: number): Promise<Reply> {
    const answer = this.say(command, within);
    await Promise.all([this.flush(), answer]);
    return answer;
  }

  /** AUTH: every challenge is answered by `respond`; undefined gives up. @throws LineError */
  async authenticate(
    command: Command & { verb: "AUTH" },
    respond: (bytes: Uint8Array) => Uint8Array | undefined,
  ): Promise<Reply> {
    const answer = this.#expect("AUTH", { challenged: respond });
    this.#session.send(command);
    const [replies] = await Promise.all([answer, this.flush()]);
    return replies[0]!;
  }

  /** The last chunk of a body, or all of it, by BDAT; follow with octets(). Resolves to its final reply or replies. */
  lastChunk(size: number): Promise<readonly Reply[]> {
    const answer = this.#expect("body");
    if (this.#error === undefined) this.#session.send({ verb: "BDAT", size, last: true });
    return answer;
  }

  /** Octets of a body: after a 354, or right after lastChunk(). Not to be changed afterwards. */
  octets(bytes: Uint8Array): void {
    if (this.#error === undefined) this.#session.body(bytes);
  }

  /** Ends a body that was sent after a 354. Resolves to its final reply or replies. */
  endOfBody(): Promise<readonly Reply[]> {
    const answer = this.#expect("body");
    if (this.#error === undefined) this.#session.bodyEnd();
    return answer;
  }

  /** Sends what was said. Resolves when the peer keeps up; a broken line shows in the replies. */
  flush(): Promise<void> {
    return this.#flush("write");
  }

  /** The same, but resolves when it has left this process: for peers that read one line of a TLS record. */
  flushThrough(): Promise<void> {
    return this.#flush("writeThrough");
  }

  /** Sends what was said when the program next waits: many small messages then leave in one write. */
  flushSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    setTimeout(() => {
      this.#soon = false;
      void this.flush();
    }, 0);
  }

  /** QUIT, the goodbye, and the end of the connection. Never throws: a peer that does not say 221 is no trouble. */
  async close(): Promise<void> {
    if (this.#error === undefined && !this.turned) await this.ask({ verb: "QUIT" }).catch(() => undefined);
    await this.connection.close();
  }

  async #flush(how: "write" | "writeThrough"): Promise<void> {
    const bytes = this.#session.flush();
    this.#listen();
    if (bytes.length === 0 || this.#error !== undefined) return;
    try {
      this.#since = this.connection.clock.steady();
      await this.connection[how](bytes, WRITE);
    } catch (fault) {
      this.#fail(broken(fault));
    }
  }

  #expect(
    of: Waiting["of"],
    special: Pick<Waiting, "challenged" | "within"> = {},
  ): Promise<readonly Reply[]> {
    const promise = new Promise<readonly Reply[]>((resolve, reject) => {
      const answered: Waiting["answered"] = (replies, listed) => {
        if (listed !== undefined) this.capabilities = listed;
        resolve(replies);
      };
      if (this.#error !== undefined) return reject(this.#error);
      this.#waiting.push({ of, answered, failed: reject, replies: [], ...special });
    });
    promise.catch(ignored);
    return promise;
  }

  /** Keeps one reader running while anything is outstanding. */
  #listen(): void {
    if (this.#reading || this.#error !== undefined || this.#waiting.length === 0) return;
    this.#reading = true;
    this.#since = this.connection.clock.steady();
    void this.#read();
  }

  async #read(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && this.#error === undefined) {
        const bytes = await this.connection.read(this.#patience());
        if (bytes === undefined) this.#session.feedEnd();
        else this.#session.feed(bytes);
        for (let event = this.#session.next(); event !== undefined; event = this.#session.next())
          this.#hear(event);
      }
    } catch (fault) {
      this.#fail(broken(fault));
    } finally {
      this.#reading = false;
    }
  }

  /** Milliseconds that the reply which is due may still take. */
  #patience(): number {
    const { of, within } = this.#waiting[0]!;
    const left = this.#since + (within ?? waits[of] ?? OTHERWISE) - this.connection.clock.steady();
    if (left <= 0) throw new LineError("timeout", "the reply came too slowly");
    return left;
  }

  #hear(event: ClientEvent): void {
    this.#since = this.connection.clock.steady();
    const [waiting] = this.#waiting;
    switch (event.type) {
      case "failed":
        return this.#fail(new LineError(event.fault, event.why, event.reply));
      case "challenge": {
        this.#session.respond(waiting?.challenged?.(event.bytes));
        return void this.flush();
      }
      case "settled":
        waiting!.replies.push(event.reply);
        if (event.rest > 0) return;
        this.#waiting.shift();
        return waiting!.answered(waiting!.replies);
      case "greeting":
        this.#waiting.shift();
        return waiting!.answered([event.reply]);
      case "reply":
        this.#waiting.shift();
        return waiting!.answered([event.reply], event.capabilities);
      default:
        event satisfies never;
    }
  }

  #fail(error: LineError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    for (const { failed } of this.#waiting.splice(0)) failed(error);
  }
}

/** Whoever said a command may look at its reply long after the line broke: that is no unhandled rejection. */
const ignored = (): void => undefined;

/** The reply that stands for an answer that never came. */
export function noAnswer(error: LineError): Reply {
  return error.reply ?? reply(451, "4.4.2", `No answer: ${error.message}`);
}

function broken(fault: unknown): LineError {
  if (fault instanceof LineError) return fault;
  if (!(fault instanceof ConnectionError)) throw fault;
  return new LineError(fault.fault === "timeout" ? "timeout" : "closed", fault.message, undefined, {
    cause: fault,
  });
}
