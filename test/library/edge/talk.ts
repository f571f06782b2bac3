/** One call between a provider and a house, mouth to ear: login, the turn, a message. What each end heard is the transcript. */
// Only the library is used, and nothing of a runtime: this is bundled for a Worker that has none.
import {
  type ClientAuth,
  type ClientEvent,
  type ClientSession,
  clientAuth,
  clientSession,
  type ServerAuth,
  type ServerEvent,
  type ServerSession,
  type ServerSettings,
  serverAuth,
  serverSession,
} from "../../../src/library/smtp.ts";
import { type Command, reply } from "../../../src/library/wire.ts";

/** Where octets of one direction are cut: two reads instead of one, or the end of the line. */
export interface Cut {
  readonly to: "house" | "provider";
  readonly at: number;
  readonly then: "goes on" | "breaks";
}

export interface Talk {
  readonly heard: readonly string[];
  /** Octets that reached each end. */
  readonly octets: Readonly<Record<Cut["to"], number>>;
}

const LETTER = "Subject: Dots\r\n\r\n.\r\n..\r\n.one\r\nEnd.\r\n";
const NONCE = new Uint8Array(16).fill(7);
const octets = (text: string): Uint8Array => new TextEncoder().encode(text);

const settings = (service: "odmr" | "reversed"): ServerSettings => ({
  ...{ service, hostname: `${service}.test`, mechanisms: service === "odmr" ? ["CRAM-MD5"] : [] },
  ...{ secure: false, startTls: false, requireTls: false, bareLineEnds: "refuse", ledger: false },
  ...{ sizeLimit: 10_000, recipientLimit: 10, owedLimit: 1 },
});

export function talk(cut?: Cut): Talk {
  const heard: string[] = [];
  const ends = { provider: new End("provider", heard), house: new End("house", heard) };
  const passed = { provider: 0, house: 0 };
  const under = { provider: new Uint8Array(), house: new Uint8Array() };
  ends.provider.serve("odmr");
  ends.house.call();
  for (let moved = true; moved; ) {
    moved = false;
    for (const to of ["house", "provider"] as const) {
      const from = ends[to === "house" ? "provider" : "house"];
      under[to] = joined(under[to], from.flush());
      const left = cut?.to === to && cut.at > passed[to] ? cut.at - passed[to] : under[to].length;
      const piece = under[to].subarray(0, left);
      if (piece.length === 0) continue;
      moved = true;
      under[to] = under[to].slice(piece.length);
      passed[to] += piece.length;
      ends[to].hear(piece.slice());
      if (cut?.then === "breaks" && cut.to === to && passed[to] === cut.at) {
        for (const end of Object.values(ends)) end.lose();
        return { heard, octets: passed };
      }
    }
  }
  return { heard, octets: passed };
}

/** One end: now the server, now the client, as the line turns. */
class End {
  readonly #name: Cut["to"];
  readonly #heard: string[];
  #server: ServerSession | undefined;
  #client: ClientSession | undefined;
  #login: ServerAuth | ClientAuth | undefined;
  /** What the session that turned still had to say. */
  #last: Uint8Array = new Uint8Array();
  #body = "";

  constructor(name: Cut["to"], heard: string[]) {
    this.#name = name;
    this.#heard = heard;
  }

  serve(service: "odmr" | "reversed"): void {
    this.#take(undefined, serverSession(settings(service)));
    this.#server?.greet(reply(220, undefined, service));
  }

  call(): void {
    this.#take(clientSession(), undefined);
  }

  flush(): Uint8Array {
    const said = joined(this.#last, (this.#server ?? this.#client)!.flush());
    this.#last = new Uint8Array();
    return said;
  }

  hear(bytes: Uint8Array): void {
    (this.#server ?? this.#client)?.feed(bytes);
    this.#listen();
  }

  lose(): void {
    (this.#server ?? this.#client)?.feedEnd();
    this.#listen();
  }

  #take(client: ClientSession | undefined, server: ServerSession | undefined): void {
    this.#last = (this.#server ?? this.#client)?.flush() ?? this.#last;
    this.#client = client;
    this.#server = server;
  }

  #listen(): void {
    if (this.#server !== undefined)
      for (let event = this.#server.next(); event; event = this.#server?.next()) this.#serves(event);
    else for (let event = this.#client?.next(); event; event = this.#client?.next()) this.#calls(event);
  }

  #note(what: string): void {
    this.#heard.push(`${this.#name}: ${what}`);
  }

  #serves(event: ServerEvent): void {
    const server = this.#server!;
    if (event.type !== "octets") this.#note(event.type);
    switch (event.type) {
      case "mail":
        return server.reply(reply(250, "2.1.0", "Sender OK"));
      case "rcpt":
        return server.reply(reply(250, "2.1.5", "Recipient OK"));
      case "body":
        this.#body = "";
        return server.proceed();
      case "octets":
        this.#body += new TextDecoder().decode(event.bytes);
        return;
      case "complete":
        this.#note(JSON.stringify(this.#body));
        return server.settle(event.token, [reply(250, "2.0.0", "Stored")]);
      case "auth":
        this.#login = serverAuth(event.mechanism, { secretOf, nonce: NONCE, hostname: "odmr.test", now: 0 });
        return this.#check(event.initial);
      case "response":
        return this.#check(event.bytes);
      case "atrn":
        server.reply(reply(250, "2.0.0", "Turning"));
        return this.call();
      default:
        return;
    }
  }

  #check(response: Uint8Array | undefined): void {
    const step = (this.#login as ServerAuth).step(response);
    if (step.type === "challenge") this.#server?.challenge(step.bytes);
    else if (step.type === "refused") this.#server?.reply(step.reply);
    else this.#server?.authenticated(reply(235, "2.7.0", `Welcome, ${step.user}`));
  }

  #calls(event: ClientEvent): void {
    const client = this.#client!;
    this.#note("reply" in event && event.reply ? `${event.type} ${event.reply.code}` : event.type);
    if (event.type === "greeting") client.send({ verb: "EHLO", name: `${this.#name}.test` });
    else if (event.type === "challenge") client.respond((this.#login as ClientAuth).step(event.bytes));
    else if (event.type === "settled") client.send({ verb: "QUIT" });
    else if (event.type === "reply") this.#goOn(event.to, event.capabilities?.mechanisms ?? []);
  }

  /** The house logs in and turns the line; the provider sends its letter. */
  #goOn(answered: Command, mechanisms: readonly string[]): void {
    const client = this.#client!;
    if (answered.verb === "EHLO" && this.#name === "house") {
      const have = { user: "home", password: "secret", secure: false, nonce: NONCE };
      this.#login = clientAuth(mechanisms, have);
      const { mechanism = "none", initial } = (this.#login as ClientAuth | undefined) ?? {};
      client.send({ verb: "AUTH", mechanism, initial });
    } else if (answered.verb === "EHLO")
      client.send({ verb: "MAIL", from: "ann@world.test", parameters: { size: LETTER.length } });
    else if (answered.verb === "AUTH") client.send({ verb: "ATRN", domains: ["example.org"] });
    else if (answered.verb === "ATRN") this.serve("reversed");
    else if (answered.verb === "MAIL") client.send({ verb: "RCPT", to: "bob@example.org", parameters: {} });
    else if (answered.verb === "RCPT") client.send({ verb: "DATA" });
    else if (answered.verb === "DATA") {
      client.body(octets(LETTER));
      client.bodyEnd();
    }
  }
}

function secretOf(user: string) {
  const none = new Uint8Array(32);
  const scram = { iterations: 4096, salt: none, storedKey: none, serverKey: none };
  return { known: user === "home", password: "secret", scram };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
