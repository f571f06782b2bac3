/** A second reading of a client's octets, as slow and plain as can be: which messages they are, if all that is said is heard. */
// It shares the grammar of single commands with the session and nothing else: order, bodies and their ends are its own,
// over one string that is never cut. Whatever a session accepts must be the beginning of what is read here.
import type { ServerSettings } from "../../src/smtp/session.ts";
import { isAscii } from "../../src/wire/address.ts";
import { decodeBase64 } from "../../src/wire/base64.ts";
import { type Command, LINE_LIMIT, parseCommand } from "../../src/wire/command.ts";
import { type Message, policy } from "./policy.ts";

interface Transaction {
  readonly from: string;
  readonly utf8: boolean;
  readonly to: string[];
  /** What came by BDAT so far; undefined: nothing did. */
  chunks: string | undefined;
  spoilt: boolean;
}

const BARE = /\r(?!\n)|(?<!\r)\n/;

export function messagesIn(octets: Uint8Array, settings: ServerSettings): readonly Message[] {
  const reader = new Reader(Buffer.from(octets).toString("latin1"), settings);
  while (reader.goesOn) reader.step();
  return reader.messages;
}

class Reader {
  readonly messages: Message[] = [];
  goesOn = true;
  #left: string;
  readonly #settings: ServerSettings;
  #greeted: "no" | "plainly" | "well" = "no";
  #known: boolean;
  #open: Transaction | undefined;

  constructor(text: string, settings: ServerSettings) {
    this.#left = text;
    this.#settings = settings;
    this.#known = settings.service !== "odmr" && settings.service !== "submission";
  }

  step(): void {
    const line = this.#line();
    if (line === undefined) return;
    const command = parseCommand(Buffer.from(line, "latin1"));
    if (!("problem" in command)) this.#obey(command);
    else if (command.verb === "BDAT") this.goesOn = false;
  }

  #line(): string | undefined {
    const end = this.#left.indexOf("\n");
    if (end < 0 || end >= LINE_LIMIT) {
      this.goesOn = false;
      return undefined;
    }
    const line = this.#left.slice(0, end);
    this.#left = this.#left.slice(end + 1);
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }

  #obey(command: Command): void {
    const lmtp = this.#settings.service === "lmtp";
    switch (command.verb) {
      case "EHLO":
      case "HELO":
      case "LHLO":
        if ((command.verb === "LHLO") !== lmtp) return;
        this.#greeted = command.verb === "HELO" ? "plainly" : "well";
        this.#open = undefined;
        return;
      case "RSET":
        this.#open = undefined;
        return;
      case "QUIT":
        this.goesOn = false;
        return;
      case "AUTH":
        return this.#auth(command);
      case "ATRN":
        if (this.#settings.service !== "odmr" || this.#greeted !== "well" || !this.#known || this.#open)
          return;
        this.goesOn = !policy.turnsFor(command.domains);
        return;
      case "MAIL":
        return this.#mail(command);
      case "RCPT":
        return this.#rcpt(command);
      case "DATA":
        if (this.#open === undefined || this.#open.to.length === 0) return;
        if (this.#open.spoilt || this.#open.chunks !== undefined) return;
        return this.#data(this.#open);
      case "BDAT":
        return this.#bdat(command);
    }
  }

  #auth({ mechanism, initial }: Command & { verb: "AUTH" }): void {
    const { mechanisms } = this.#settings;
    if (this.#greeted !== "well" || this.#open || this.#known || !mechanisms.includes(mechanism)) return;
    const line = initial === undefined ? this.#line() : undefined;
    if (initial === undefined && line === undefined) return;
    const response = initial ?? (line === "*" ? "bad" : decodeBase64(line ?? ""));
    this.#known = response !== "bad" && policy.knows(response);
  }

  #mail({ from, parameters }: Command & { verb: "MAIL" }): void {
    if (this.#greeted === "no" || !this.#known || this.#open !== undefined || !policy.sends(from)) return;
    if ((parameters.size ?? 0) > this.#settings.sizeLimit) return;
    if (parameters.origin !== undefined && !this.#settings.ledger) return;
    this.#open = { from, utf8: parameters.smtputf8 === true, to: [], chunks: undefined, spoilt: false };
  }

  #rcpt({ to }: Command & { verb: "RCPT" }): void {
    const open = this.#open;
    if (open === undefined || open.spoilt || open.chunks !== undefined) return;
    if (open.to.length >= this.#settings.recipientLimit || !policy.takes(to)) return;
    if (open.utf8 || isAscii(to)) open.to.push(to);
  }

  /** Up to CRLF.CRLF, or a dot right behind our 354. */
  #data(open: Transaction): void {
    this.#open = undefined;
    if (!policy.hasRoomFor(open.from)) return;
    const end = `\r\n${this.#left}`.indexOf("\r\n.\r\n");
    if (end < 0) {
      this.goesOn = false;
      return;
    }
    const lines = this.#left.slice(0, end).split("\r\n");
    this.#left = this.#left.slice(end + 3);
    this.#end(open, lines.map((line) => line.replace(/^\./, "")).join("\r\n"), this.#settings.sizeLimit);
  }

  #bdat({ size, last }: Command & { verb: "BDAT" }): void {
    const { sizeLimit } = this.#settings;
    const open = this.#open;
    const chunk = this.#left.slice(0, size);
    if (size > sizeLimit || chunk.length < size) {
      this.goesOn = false;
      return;
    }
    this.#left = this.#left.slice(size);
    if (open === undefined) return;
    const begins = open.chunks === undefined;
    if (open.spoilt || open.to.length === 0 || (begins && !policy.hasRoomFor(open.from))) {
      open.spoilt = true;
      return;
    }
    open.chunks = (open.chunks ?? "") + chunk;
    if (this.#counted(open.chunks) > sizeLimit) this.#open = undefined;
    else if (last) {
      this.#open = undefined;
      const { chunks } = open;
      this.#end(open, chunks === "" || /\r\n$/.test(this.#canonical(chunks)) ? chunks : `${chunks}\r\n`);
    }
  }

  /** Octets that count: a CR at the end may yet be half a line end, and behind what is refused nothing counts. */
  #counted(chunks: string): number {
    const whole = chunks.endsWith("\r") ? chunks.slice(0, -1) : chunks;
    const bare = BARE.exec(whole);
    return bare !== null && this.#settings.bareLineEnds === "refuse"
      ? bare.index
      : this.#canonical(whole).length;
  }

  #end({ from, to }: Transaction, body: string, most = Number.POSITIVE_INFINITY): void {
    if (BARE.test(body) && this.#settings.bareLineEnds === "refuse") this.goesOn = false;
    else if (this.#canonical(body).length <= most)
      this.messages.push({ from, to, body: this.#canonical(body) });
  }

  #canonical(text: string): string {
    return text.replace(/\r\n|\r|\n/g, "\r\n");
  }
}
