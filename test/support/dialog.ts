/** Golden talks in text files: what the client says (C:), what the server answers (S:), what it told its driver (E:). */
// Within a group (C lines up to the next C) the E lines stand before the S lines.
import assert from "node:assert/strict";
import { serverSession } from "../../src/smtp/server.ts";
import type { ServerEvent, ServerSession, ServerSettings } from "../../src/smtp/session.ts";
import { reply } from "../../src/wire/reply.ts";

export interface Step {
  readonly says: Uint8Array;
  readonly expects: readonly string[];
}

export interface Dialog {
  readonly settings: ServerSettings;
  readonly steps: readonly Step[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** `key: value` lines, a blank line, then the talk; `#` begins a comment. In C lines \r \n \0 \xNN are octets; a trailing \ leaves out the CRLF. */
export function parseDialog(text: string): Dialog {
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  const blank = lines.indexOf("");
  const options = new Map(lines.slice(0, blank).map((line) => line.split(": ", 2) as [string, string]));
  const steps: { says: number[]; expects: string[] }[] = [{ says: [], expects: [] }];
  for (const line of lines.slice(blank + 1)) {
    const current = steps.at(-1)!;
    if (line.startsWith("C: ")) {
      if (current.expects.length > 0 || steps.length === 1)
        steps.push({ says: [...octets(line.slice(3))], expects: [] });
      else current.says.push(...octets(line.slice(3)));
    } else if (line !== "") current.expects.push(line);
  }
  return {
    settings: settingsOf(options),
    steps: steps.map(({ says, expects }) => ({ says: Uint8Array.from(says), expects })),
  };
}

function octets(text: string): Uint8Array {
  const open = text.endsWith("\\");
  const plain = (open ? text.slice(0, -1) : `${text}\\r\\n`).replace(
    /\\(r|n|0|x[0-9a-f]{2})/g,
    (_, code: string) =>
      code === "r"
        ? "\r"
        : code === "n"
          ? "\n"
          : code === "0"
            ? "\0"
            : String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  );
  return encoder.encode(plain);
}

function settingsOf(options: ReadonlyMap<string, string>): ServerSettings {
  return {
    service: (options.get("door") ?? "intake") as ServerSettings["service"],
    hostname: "relay.example.net",
    secure: options.get("tls") === "up",
    startTls: options.get("tls") === "offered",
    requireTls: options.get("requireTls") === "yes",
    mechanisms: options.get("auth")?.split(" ") ?? [],
    sizeLimit: Number(options.get("size") ?? 1_000),
    recipientLimit: Number(options.get("recipients") ?? 100),
    bareLineEnds: (options.get("bare") ?? "refuse") as "refuse" | "normalise",
    owedLimit: Number(options.get("owed") ?? 8),
    ledger: options.get("ledger") === "yes",
  };
}

/** Plays a dialog, the client's octets cut as `cut` says, and holds every group against what is written. */
export function play({ settings, steps }: Dialog, cut: (says: Uint8Array) => readonly Uint8Array[]): void {
  const session = serverSession(settings);
  const player = new Player(session, settings.service === "lmtp");
  if (steps[0]!.expects.length > 0) session.greet(reply(220, undefined, "relay.example.net ESMTP"));
  for (const { says, expects } of steps) {
    for (const piece of cut(says)) {
      session.feed(piece);
      player.hear();
    }
    player.hear();
    assert.deepEqual(player.heard(), expects, `after ${JSON.stringify(decoder.decode(says))}`);
  }
}

/** A driver with fixed opinions: mail for example.org is taken, `later@` is not now, AUTH PLAIN "home/secret" is right. */
class Player {
  readonly #session: ServerSession;
  #events: string[] = [];
  #said = "";
  #from = "";
  #to: string[] = [];
  #body = "";

  readonly #lmtp: boolean;

  constructor(session: ServerSession, lmtp: boolean) {
    this.#session = session;
    this.#lmtp = lmtp;
  }

  heard(): readonly string[] {
    const said = this.#said.split("\r\n").slice(0, -1);
    const heard = [...this.#events, ...said.map((line) => `S: ${line}`)];
    this.#events = [];
    this.#said = "";
    return heard;
  }

  hear(): void {
    for (let event = this.#session.next(); event !== undefined; event = this.#session.next()) this.#on(event);
    this.#said += decoder.decode(this.#session.flush());
  }

  #on(event: ServerEvent): void {
    const session = this.#session;
    switch (event.type) {
      case "mail":
        this.#from = event.from;
        this.#to = [];
        return session.reply(
          event.from.startsWith("refused@")
            ? reply(550, "5.7.1", "Not you")
            : reply(250, "2.1.0", "Sender OK"),
        );
      case "rcpt":
        return this.#rcpt(event.to);
      case "body":
        this.#body = "";
        return this.#from.startsWith("nodisk@")
          ? session.reply(reply(452, "4.3.1", "No room"))
          : session.proceed();
      case "octets":
        this.#body += decoder.decode(event.bytes);
        return;
      case "complete":
        this.#events.push(
          `E: message from <${this.#from}> to <${this.#to.join(",")}>: ${JSON.stringify(this.#body)}`,
        );
        return this.#settle(event.token);
      case "reset":
        this.#events.push(`E: reset, ${event.why}`);
        return;
      case "auth":
        return this.#auth(event.initial);
      case "response":
        return event.bytes === undefined
          ? session.reply(reply(501, "5.7.0", "Cancelled"))
          : this.#auth(event.bytes);
      case "starttls":
        return session.reply(reply(220, "2.0.0", "Ready to start TLS"));
      case "atrn":
        this.#events.push(`E: atrn [${event.domains.join(" ")}]`);
        return session.reply(
          event.domains.includes("other.example")
            ? reply(450, "4.7.1", "Refused")
            : reply(250, "2.0.0", "Turning"),
        );
      case "failed":
        this.#events.push(`E: failed, ${event.why}`);
        return;
      default:
        return;
    }
  }

  #rcpt(to: string): void {
    if (!to.endsWith("@example.org")) return this.#session.reply(reply(550, "5.7.1", "Relaying denied"));
    if (to.startsWith("later@")) return this.#session.reply(reply(450, "4.2.0", "Not now"));
    this.#to.push(to);
    this.#session.reply(reply(250, "2.1.5", "Recipient OK"));
  }

  /** Bodies of <slow@…> stay owed until a later one is settled, out of order. */
  readonly #slow: number[] = [];
  #settle(token: number): void {
    if (this.#from.startsWith("slow@")) return void this.#slow.push(token);
    const lmtp = this.#to.map((to) => reply(250, "2.0.0", `Stored for ${to}`));
    this.#session.settle(token, this.#lmtp ? lmtp : [reply(250, "2.0.0", "Stored")]);
    for (const slow of this.#slow.splice(0).reverse())
      this.#session.settle(slow, [reply(250, "2.0.0", "Stored late")]);
  }

  #auth(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return this.#session.challenge(new Uint8Array(0));
    const right = decoder.decode(bytes) === "\0home\0secret";
    if (right) this.#session.authenticated(reply(235, "2.7.0", "Welcome"));
    else this.#session.reply(reply(535, "5.7.8", "No"));
  }
}
