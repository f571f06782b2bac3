/** What is fuzzed: each target has a corpus, and one act that takes octets and throws when a promise is broken. */
// Promises: no exception; replies that are replies; memory within bounds; wherever the octets are cut, the same comes of
// them; and no message but those that the second reading (reference.ts) gives.
import assert from "node:assert/strict";
import { clientSession } from "../../src/smtp/client.ts";
import { serverSession } from "../../src/smtp/server.ts";
import type {
  ClientEvent,
  ServerEvent,
  ServerSession,
  ServerSettings,
  Service,
} from "../../src/smtp/session.ts";
import { type Command, LINE_LIMIT } from "../../src/wire/command.ts";
import { reply } from "../../src/wire/reply.ts";
import { seeded } from "../spool/support.ts";
import { clients, latin1, octetsOf, servers, type Target } from "./corpus.ts";
import { type Message, policy, settingsOf } from "./policy.ts";
import { messagesIn } from "./reference.ts";
import { wholes } from "./wholes.ts";

/** A talk at this door that brings three messages, for mutations that want to come far. */
function talkAt(service: Service): Uint8Array {
  const hello = service === "lmtp" ? "LHLO" : "EHLO";
  const login = service === "odmr" || service === "submission" ? "AUTH PLAIN AGhvbWUAc2VjcmV0\r\n" : "";
  const letter =
    "MAIL FROM:<a@world.test> SIZE=30\r\nRCPT TO:<bob@example.org>\r\nRCPT TO:<ann@example.org>\r\n";
  return octetsOf(
    `${hello} peer.test\r\n${login}${letter}DATA\r\nSubject: one\r\n\r\n..dot\r\n.\r\n` +
      `RSET\r\n${letter}BDAT 15\r\nSubject: two\r\n\rBDAT 8 LAST\r\n\ntext.\r\n${letter}DATA\r\n.\r\nQUIT\r\n`,
  );
}

/** The ways in which the same octets may arrive. */
function cuts(octets: Uint8Array): readonly (readonly Uint8Array[])[] {
  const random = seeded(octets.length * 31 + (octets[octets.length >> 1] ?? 0));
  const some: Uint8Array[] = [];
  for (let at = 0; at < octets.length; ) {
    const to = at + 1 + Math.floor(random.fraction() * 60);
    some.push(octets.subarray(at, to));
    at = to;
  }
  const each = Array.from(octets.subarray(0, 3_000), (_, at) => octets.subarray(at, at + 1));
  return [[octets], some, [...each, octets.subarray(3_000)]];
}

interface Outcome {
  readonly messages: readonly Message[];
  readonly said: string;
  /** It asked what may turn the line: there, what comes in one piece and what comes later are two things. */
  readonly turning: boolean;
  readonly failed: boolean;
}

const REPLY = /^(?:[245]\d\d-[\x20-\x7e]*\r\n)*(?:[245]\d\d|334|354) [\x20-\x7e]*\r\n$/;

/** Drives one server session to its end. @param late bodies are settled only when nothing else goes on */
function serve(settings: ServerSettings, pieces: readonly Uint8Array[], late: boolean): Outcome {
  const session = serverSession(settings);
  const driver = new Driver(session, settings.service === "lmtp", late);
  session.greet(reply(220, undefined, "hi"));
  for (const piece of pieces) {
    session.feed(piece);
    driver.hear();
    const keeps = session.ended || session.turned ? Number.POSITIVE_INFINITY : LINE_LIMIT;
    assert.ok(session.unread <= keeps, `${session.unread} octets are kept unread`);
  }
  session.feedEnd();
  driver.hear();
  assert.ok(session.ended || session.turned, "the peer has hung up, and the session has not ended");
  assert.equal(session.owed, 0, "replies are owed at the end");
  for (const answer of driver.said.split(/(?<=^\d\d\d [^\n]*\n)/m)) assert.match(answer, REPLY);
  return driver;
}

/** Answers by the policy, and keeps what was accepted. */
class Driver implements Outcome {
  readonly messages: Message[] = [];
  said = "";
  turning = false;
  failed = false;
  readonly #session: ServerSession;
  readonly #lmtp: boolean;
  readonly #late: boolean;
  readonly #owed: { readonly token: number; readonly recipients: number }[] = [];
  #from = "";
  #to: string[] = [];
  #body: string[] = [];

  constructor(session: ServerSession, lmtp: boolean, late: boolean) {
    this.#session = session;
    this.#lmtp = lmtp;
    this.#late = late;
  }

  hear(): void {
    for (;;) {
      for (let event = this.#session.next(); event !== undefined; event = this.#session.next())
        this.#on(event);
      this.said += latin1(this.#session.flush());
      if (this.#owed.length === 0) return;
      // Out of order, as commits may be.
      for (const { token, recipients } of this.#owed.splice(0).reverse()) this.#settle(token, recipients);
    }
  }

  #settle(token: number, recipients: number): void {
    this.#session.settle(token, Array(this.#lmtp ? recipients : 1).fill(reply(250, "2.0.0", "Stored")));
  }

  #on(event: ServerEvent): void {
    const session = this.#session;
    switch (event.type) {
      case "mail":
        this.#from = event.from;
        this.#to = [];
        return session.reply(
          policy.sends(event.from) ? reply(250, "2.1.0", "OK") : reply(550, "5.7.1", "No"),
        );
      case "rcpt":
        if (!policy.takes(event.to)) return session.reply(reply(550, "5.7.1", "No"));
        this.#to.push(event.to);
        return session.reply(reply(250, "2.1.5", "OK"));
      case "body":
        this.#body = [];
        return policy.hasRoomFor(this.#from)
          ? session.proceed()
          : session.reply(reply(452, "4.3.1", "No room"));
      case "octets":
        this.#body.push(latin1(event.bytes));
        return;
      case "complete":
        this.messages.push({ from: this.#from, to: this.#to, body: this.#body.join("") });
        if (this.#late) this.#owed.push({ token: event.token, recipients: this.#to.length });
        else this.#settle(event.token, this.#to.length);
        return;
      case "auth":
        return event.initial === undefined ? session.challenge(new Uint8Array()) : this.#login(event.initial);
      case "response":
        return event.bytes === undefined
          ? session.reply(reply(501, "5.7.0", "No"))
          : this.#login(event.bytes);
      case "atrn":
        this.turning = true;
        return session.reply(
          policy.turnsFor(event.domains) ? reply(250, "2.0.0", "OK") : reply(450, "4.7.1", "No"),
        );
      case "starttls":
      case "again":
        this.turning = true;
        return session.reply(reply(454, "4.7.0", "No"));
      case "etrn":
      case "wait":
        return session.reply(reply(458, "4.3.0", "No"));
      case "failed":
        this.failed = true;
        // Nobody who speaks across the turn is heard: what else came in that piece is not.
        if (/octets behind|across/.test(event.why)) this.turning = true;
        return;
      default:
        return;
    }
  }

  #login(response: Uint8Array): void {
    if (policy.knows(response)) this.#session.authenticated(reply(235, "2.7.0", "OK"));
    else this.#session.reply(reply(535, "5.7.8", "No"));
  }
}

function serverTarget(service: Service, bare: "refuse" | "normalise" = "refuse"): Target {
  const settings = settingsOf(service, bare);
  return {
    name: `server-${service}${bare === "refuse" ? "" : "-normalising"}`,
    corpus: [...clients, talkAt(service)],
    run(octets) {
      const expected = messagesIn(octets, settings);
      const ways = cuts(octets);
      const outcomes = [...ways.map((way) => serve(settings, way, false)), serve(settings, ways[1]!, true)];
      for (const { messages, failed, turning } of outcomes)
        assert.deepEqual(messages, failed || turning ? expected.slice(0, messages.length) : expected);
      const [whole] = outcomes;
      if (outcomes.some(({ turning }) => turning)) return;
      for (const { messages, said } of outcomes)
        assert.deepEqual({ messages, said }, { messages: whole!.messages, said: whole!.said });
    },
  };
}

/** What a client says while a hostile server answers. */
const script: readonly Command[] = [
  { verb: "EHLO", name: "house.test" },
  { verb: "AUTH", mechanism: "PLAIN", initial: undefined },
  { verb: "MAIL", from: "a@world.test", parameters: {} },
  { verb: "RCPT", to: "bob@example.org", parameters: {} },
  { verb: "RCPT", to: "ann@example.org", parameters: {} },
  { verb: "BDAT", size: 4, last: true },
  { verb: "MAIL", from: "", parameters: {} },
  { verb: "RCPT", to: "bob@example.org", parameters: {} },
  { verb: "DATA" },
  { verb: "ATRN", domains: ["example.org"] },
];

/** What a server's octets answer, reply by reply: read by one expression, and matched with the script by counting. */
function answersIn(octets: Uint8Array, dialect: "SMTP" | "LMTP"): readonly string[] {
  const due: string[] = ["greeting", ...script.map(({ verb }) => (verb === "BDAT" ? "body" : verb))];
  const answers: string[] = [];
  let within: string | undefined;
  let accepted = 0;
  let bodies = 0;
  for (const line of latin1(octets).split("\n").slice(0, -1)) {
    const [, code, mark] = /^([2-5]\d\d)(?:([ -]).*)?\r?$/s.exec(line) ?? [];
    const to = due[0];
    if (code === undefined || to === undefined || (within !== undefined && within !== code)) break;
    within = mark === "-" ? code : undefined;
    if (within !== undefined) continue;
    answers.push(`${to} ${code}`);
    if (to === "AUTH" && code === "334") continue;
    if (to === "MAIL") accepted = 0;
    if (to === "RCPT" && code.startsWith("2")) accepted++;
    if (to === "DATA" && code === "354") due.push("body");
    if (to === "body" && ++bodies < (dialect === "LMTP" ? accepted : 1)) continue;
    bodies = 0;
    due.shift();
  }
  return answers;
}

function heardBy(dialect: "SMTP" | "LMTP", pieces: readonly Uint8Array[]): readonly ClientEvent[] {
  const session = clientSession(dialect);
  for (const command of script) {
    session.send(command);
    if (command.verb === "BDAT") session.body(octetsOf("body"));
  }
  session.flush();
  const events: ClientEvent[] = [];
  const hear = () => {
    for (let event = session.next(); event !== undefined; event = session.next()) {
      events.push(event);
      if (event.type === "challenge") session.respond(undefined);
      if (event.type === "reply" && event.to.verb === "DATA" && event.reply.code === 354) session.bodyEnd();
    }
    session.flush();
  };
  for (const piece of pieces) {
    session.feed(piece);
    hear();
    assert.ok(
      session.ended || session.turned || session.unread <= 4_096,
      `${session.unread} octets are kept unread`,
    );
  }
  session.feedEnd();
  hear();
  assert.ok(session.ended || session.turned);
  return events;
}

function clientTarget(dialect: "SMTP" | "LMTP"): Target {
  return {
    name: `client-${dialect.toLowerCase()}`,
    corpus: servers,
    run(octets) {
      const answers = answersIn(octets, dialect);
      for (const way of cuts(octets)) {
        const events = heardBy(dialect, way);
        const heard = events.flatMap((event) => {
          if (event.type === "challenge") return ["AUTH 334"];
          if (event.type === "failed") return [];
          const to = event.type === "reply" ? event.to.verb : event.type === "settled" ? "body" : "greeting";
          return [`${to} ${event.reply.code}`];
        });
        assert.deepEqual(heard, answers.slice(0, heard.length));
        const failures = events.filter(({ type }) => type === "failed").length;
        assert.ok(
          failures <= 1 && (failures === 0 || events.at(-1)?.type === "failed"),
          "something came after the end",
        );
      }
    },
  };
}

export const targets: readonly Target[] = [
  serverTarget("intake"),
  serverTarget("submission"),
  serverTarget("odmr"),
  serverTarget("lmtp"),
  serverTarget("lmtp", "normalise"),
  serverTarget("reversed"),
  clientTarget("SMTP"),
  clientTarget("LMTP"),
  ...wholes,
];
