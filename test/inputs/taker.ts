/** A server that agrees to everything and keeps every octet of the bodies that it is given. */
// It knows no dots but the final one, and no line end but CRLF: what is smuggled past it would be smuggled past anybody.
import { type Connection, ConnectionError } from "../../src/net/connection.ts";

export interface Body {
  readonly by: "DATA" | "BDAT";
  /** As it came over the line, without the final dot. */
  readonly octets: string;
}

export interface TakerOptions {
  /** What its EHLO lists. */
  readonly lists?: readonly string[];
  /** Replies behind a body under LMTP, for so many recipients. */
  readonly finals?: (recipients: number) => readonly string[];
}

const SOON = 60_000;

/** Serves until the client's QUIT or end. @returns the bodies, in the order in which they came */
export async function take(line: Connection, options: TakerOptions = {}): Promise<readonly Body[]> {
  const taker = new Taker(line, options);
  try {
    await taker.serve();
  } catch (fault) {
    if (!(fault instanceof ConnectionError)) throw fault;
  } finally {
    await line.close();
  }
  return taker.bodies;
}

class Taker {
  readonly bodies: Body[] = [];
  readonly #line: Connection;
  readonly #options: TakerOptions;
  #heard = "";
  #recipients = 0;

  constructor(line: Connection, options: TakerOptions) {
    this.#line = line;
    this.#options = options;
  }

  async serve(): Promise<void> {
    await this.#say("220 taker.test");
    for (;;) {
      const command = await this.#upTo("\r\n");
      if (command === undefined) return;
      const [verb = "", argument = ""] = command.toUpperCase().split(" ");
      if (verb === "EHLO" || verb === "LHLO") await this.#hello();
      else if (verb === "DATA") await this.#data();
      else if (verb === "BDAT") await this.#chunk(Number(argument));
      else if (verb === "QUIT") return this.#say("221 2.0.0 bye");
      else {
        if (verb === "RCPT") this.#recipients++;
        await this.#say("250 2.0.0 well");
      }
    }
  }

  #hello(): Promise<void> {
    const words = ["taker.test", ...(this.#options.lists ?? [])];
    return this.#say(...words.map((word, i) => `250${i < words.length - 1 ? "-" : " "}${word}`));
  }

  async #data(): Promise<void> {
    await this.#say("354 go on");
    const body = await this.#upTo("\r\n.\r\n");
    if (body !== undefined) await this.#done({ by: "DATA", octets: `${body}\r\n` });
  }

  async #chunk(size: number): Promise<void> {
    while (this.#heard.length < size) if (!(await this.#hear())) return;
    const octets = this.#heard.slice(0, size);
    this.#heard = this.#heard.slice(size);
    await this.#done({ by: "BDAT", octets });
  }

  async #done(body: Body): Promise<void> {
    this.bodies.push(body);
    const finals = this.#options.finals?.(this.#recipients) ?? ["250 2.0.0 kept"];
    this.#recipients = 0;
    await this.#say(...finals);
  }

  /** What comes before these octets, which are taken off too; undefined at the end of the line. */
  async #upTo(end: string): Promise<string | undefined> {
    for (;;) {
      const at = this.#heard.indexOf(end);
      if (at < 0) {
        if (!(await this.#hear())) return undefined;
        continue;
      }
      const before = this.#heard.slice(0, at);
      this.#heard = this.#heard.slice(at + end.length);
      return before;
    }
  }

  async #hear(): Promise<boolean> {
    const piece = await this.#line.read(SOON);
    if (piece !== undefined) this.#heard += Buffer.from(piece).toString("latin1");
    return piece !== undefined;
  }

  #say(...lines: readonly string[]): Promise<void> {
    return this.#line.write(new TextEncoder().encode(lines.map((line) => `${line}\r\n`).join("")), SOON);
  }
}
