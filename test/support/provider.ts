/** A peer with a script: plays one side of a talk that is written as in an RFC, and holds the other side against it. */
// `P:` is the provider, `C:` the customer, `*` in what is expected is anything; lines in a row leave in one write.
import assert from "node:assert/strict";
import type { Connection, TlsRole } from "../../src/net/connection.ts";
import { type Clock, pause, systemClock } from "../../src/platform/clock.ts";
import { matchesGlob } from "../../src/wire/address.ts";

/**
 * A talk, line by line: `P: text` and `C: text` (a `\` at its end leaves out the CRLF), and what the script's side does
 * besides: `close`, `reset`, `starttls`, `pause 9` (minutes), `part` (what follows leaves in a write of its own),
 * `end` (the other side closes now), `rest` (it says what it likes, and closes), `octets 5` (so many of the other side's are read, whatever they are), `list` (its
 * reply to EHLO, whatever it lists).
 */
export type Talk = readonly string[];

export interface PlayOptions {
  readonly clock?: Clock;
  readonly tls?: TlsRole;
}

const WITHIN = 3_600_000;
const encoder = new TextEncoder();

/** Plays a side. @returns all that the other side said */
export async function play(
  connection: Connection,
  side: "P" | "C",
  talk: Talk,
  options: PlayOptions = {},
): Promise<string> {
  const player = new Player(connection, options);
  try {
    for (const line of talk) {
      if (line.startsWith(`${side}: `)) player.say(line.slice(3));
      else if (/^[PC]: /.test(line)) await player.expect(line.slice(3));
      else await player.act(line);
    }
    await player.flush();
    return player.heard;
  } catch (fault) {
    connection.destroy();
    throw fault;
  }
}

class Player {
  heard = "";
  #connection: Connection;
  readonly #options: PlayOptions;
  #unread = "";
  #unsaid = "";

  constructor(connection: Connection, options: PlayOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  say(text: string): void {
    this.#unsaid += text.endsWith("\\") ? text.slice(0, -1) : `${text}\r\n`;
  }

  async expect(pattern: string): Promise<void> {
    await this.flush();
    const line = await this.#line(pattern);
    assert.ok(matchesGlob(pattern, line), `${JSON.stringify(line)} came for "${pattern}"`);
  }

  async #list(): Promise<void> {
    while (!(await this.#line("250 *")).startsWith("250 "));
  }

  async #line(wanted: string): Promise<string> {
    while (!this.#unread.includes("\n")) {
      const piece = await this.#connection.read(WITHIN);
      assert.ok(piece, `the peer closed after ${JSON.stringify(this.heard)}, where "${wanted}" was expected`);
      this.#hear(piece);
    }
    const end = this.#unread.indexOf("\n") + 1;
    const line = this.#unread.slice(0, end);
    this.#unread = this.#unread.slice(end);
    assert.ok(line.endsWith("\r\n"), `a bare LF in ${JSON.stringify(line)}`);
    return line.slice(0, -2);
  }

  async act(line: string): Promise<void> {
    await this.flush();
    const [verb = "", amount] = line.split(" ");
    const act = this.#acts[verb];
    assert.ok(act, `"${line}" is no step of a talk`);
    await act(Number(amount));
  }

  async flush(): Promise<void> {
    const bytes = encoder.encode(this.#unsaid);
    this.#unsaid = "";
    // A peer that has left already is not the script's trouble: what was expected of it is.
    await this.#connection.write(bytes, WITHIN).catch(() => undefined);
  }

  readonly #acts: Readonly<Record<string, (amount: number) => Promise<void> | void>> = {
    close: () => this.#connection.close(),
    reset: () => this.#connection.destroy(),
    part: () => undefined,
    pause: (minutes) => pause(this.#options.clock ?? systemClock, minutes * 60_000),
    octets: (count) => this.#skip(count),
    end: async () => {
      await this.#rest();
      assert.equal(this.#unread, "", "the peer said more before it closed");
    },
    rest: () => this.#rest(),
    list: () => this.#list(),
    starttls: async () => {
      assert.ok(this.#options.tls, "the script has no certificate");
      this.#connection = await this.#connection.startTls(this.#options.tls, WITHIN);
    },
  };

  async #skip(count: number): Promise<void> {
    while (this.#unread.length < count) {
      const piece = await this.#connection.read(WITHIN);
      assert.ok(piece, `the peer closed within ${count} octets`);
      this.#hear(piece);
    }
    this.#unread = this.#unread.slice(count);
  }

  async #rest(): Promise<void> {
    const next = async () => this.#connection.read(WITHIN).catch(() => undefined);
    for (let piece = await next(); piece !== undefined; piece = await next()) this.#hear(piece);
    await this.#connection.close();
  }

  #hear(piece: Uint8Array): void {
    const text = Buffer.from(piece).toString("latin1");
    this.heard += text;
    this.#unread += text;
  }
}
