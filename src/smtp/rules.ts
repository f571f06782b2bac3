/** Which command may come when, and at which door: two complete tables (RFC 5321 §4.1.4, RFC 2645 §4, RFC 2033). */
// Order is here, grammar is in wire/command.ts, policy is in relay/. Nothing else says "bad sequence".
import type { Verb } from "../wire/command.ts";
import { type Reply, reply } from "../wire/reply.ts";
import type { ServerSettings, Service } from "./session.ts";

/**
 * new: nothing said yet · plain: HELO · ready: EHLO or LHLO, no transaction · mail: a sender, no recipient yet ·
 * rcpt: recipients too · chunks: some BDAT came, LAST did not · spoilt: a BDAT failed, only RSET mends it (RFC 3030 §2).
 */
export type State = "new" | "plain" | "ready" | "mail" | "rcpt" | "chunks" | "spoilt";

/** The fixed replies of a session; those that policy gives are in relay/. */
export const say = {
  ok: reply(250, "2.0.0", "OK"),
  noop: reply(250, "2.0.0", "OK"),
  help: reply(214, "2.0.0", "See RFC 5321 and RFC 2645"),
  vrfy: reply(252, "2.5.2", "Send some mail, I will try my best"),
  bye: reply(221, "2.0.0", "Bye"),
  goAhead: reply(354, undefined, "End data with <CR><LF>.<CR><LF>"),
  greetFirst: reply(503, "5.5.1", "Say EHLO first"),
  greetPlainly: reply(503, "5.5.1", "Say EHLO, not HELO, first"),
  mailFirst: reply(503, "5.5.1", "MAIL first"),
  rcptFirst: reply(503, "5.5.1", "No valid recipients"),
  nested: reply(503, "5.5.1", "A mail transaction is open"),
  chunking: reply(503, "5.5.1", "BDAT has begun this body; end it with LAST, or RSET"),
  spoilt: reply(503, "5.5.1", "This transaction failed; RSET first"),
  notHere: reply(502, "5.5.1", "Command not available here"),
  authFirst: reply(530, "5.7.0", "Authentication required"),
  tlsFirst: reply(530, "5.7.0", "Must issue a STARTTLS command first"),
  tlsAlready: reply(503, "5.5.1", "TLS is up already"),
  authAlready: reply(503, "5.5.1", "Authenticated already"),
  badMechanism: reply(504, "5.5.4", "No such authentication mechanism here"),
  badBase64: reply(501, "5.5.2", "That is no base64"),
  tooBig: reply(552, "5.3.4", "Message too big"),
  tooManyRecipients: reply(452, "4.5.3", "Too many recipients, send the rest in another transaction"),
  needsUtf8: reply(553, "5.6.7", "SMTPUTF8 is needed for this address"),
  bareLineEnd: reply(554, "5.5.2", "Bare CR or LF in the message; lines end in CRLF"),
  lineTooLong: reply(500, "5.5.2", "Line too long"),
  spokeFirst: reply(554, "5.5.1", "You spoke before the greeting"),
  otherProtocol: reply(421, "4.7.0", "This is SMTP, you speak another protocol"),
  tooIdle: reply(421, "4.7.0", "Too many commands for no mail"),
  acrossTheTurn: reply(421, "4.7.0", "Nobody speaks across the turn"),
  unknownParameter: reply(555, "5.5.4", "Unknown parameter"),
} as const satisfies Record<string, Reply>;

/** Commands that are answered and change nothing. */
export const smallTalk = { NOOP: say.noop, HELP: say.help, VRFY: say.vrfy, EXPN: say.vrfy } as const;

type Verdict = "go" | Reply;

const always = { NOOP: "go", HELP: "go", VRFY: "go", EXPN: "go", QUIT: "go", RSET: "go" } as const;
const hello = { EHLO: "go", HELO: "go", LHLO: "go" } as const;
const between = (r: Reply) =>
  ({ STARTTLS: r, AUTH: r, ATRN: r, ETRN: r, XODMRWAIT: r, XODMRTURN: r, XODMRPAIR: r }) as const;

/** state × verb. Every square is filled: the compiler sees to it. */
export const order: Readonly<Record<State, Readonly<Record<Verb, Verdict>>>> = {
  new: {
    ...always,
    ...hello,
    ...between(say.greetFirst),
    MAIL: say.greetFirst,
    RCPT: say.greetFirst,
    DATA: say.greetFirst,
    BDAT: say.greetFirst,
  },
  plain: {
    ...always,
    ...hello,
    ...between(say.greetPlainly),
    MAIL: "go",
    RCPT: say.mailFirst,
    DATA: say.mailFirst,
    BDAT: say.mailFirst,
  },
  ready: {
    ...always,
    ...hello,
    STARTTLS: "go",
    AUTH: "go",
    ATRN: "go",
    ETRN: "go",
    XODMRWAIT: "go",
    XODMRTURN: "go",
    XODMRPAIR: "go",
    MAIL: "go",
    RCPT: say.mailFirst,
    DATA: say.mailFirst,
    BDAT: say.mailFirst,
  },
  mail: {
    ...always,
    ...hello,
    ...between(say.nested),
    MAIL: say.nested,
    RCPT: "go",
    DATA: say.rcptFirst,
    BDAT: say.rcptFirst,
  },
  rcpt: { ...always, ...hello, ...between(say.nested), MAIL: say.nested, RCPT: "go", DATA: "go", BDAT: "go" },
  chunks: {
    ...always,
    ...hello,
    ...between(say.nested),
    MAIL: say.chunking,
    RCPT: say.chunking,
    DATA: say.chunking,
    BDAT: "go",
  },
  spoilt: {
    ...always,
    ...hello,
    ...between(say.spoilt),
    MAIL: say.spoilt,
    RCPT: say.spoilt,
    DATA: say.spoilt,
    BDAT: say.spoilt,
  },
};

/** open: anybody may · known: who has authenticated may · shut: nobody, 502. */
type Gate = "open" | "known" | "shut";

const mail = (gate: Gate) => ({ MAIL: gate, RCPT: gate, DATA: gate, BDAT: gate }) as const;
const chat = { NOOP: "open", HELP: "open", VRFY: "open", EXPN: "shut", QUIT: "open", RSET: "open" } as const;
const greetings = { EHLO: "open", HELO: "open", LHLO: "shut" } as const;
const noOdmr = {
  ATRN: "shut",
  ETRN: "shut",
  XODMRWAIT: "shut",
  XODMRTURN: "shut",
  XODMRPAIR: "shut",
} as const;
const upgrades = { STARTTLS: "open", AUTH: "open" } as const;

/** door × verb. The reversed session offers no AUTH, STARTTLS, ATRN, ETRN: its roles are settled (RFC 2645 §5). */
export const gates: Readonly<Record<Service, Readonly<Record<Verb, Gate>>>> = {
  odmr: {
    ...chat,
    ...greetings,
    ...mail("known"),
    ...upgrades,
    ATRN: "known",
    ETRN: "known",
    XODMRWAIT: "known",
    XODMRTURN: "shut",
    XODMRPAIR: "open",
  },
  intake: { ...chat, ...greetings, ...mail("open"), ...noOdmr, STARTTLS: "open", AUTH: "shut" },
  submission: { ...chat, ...greetings, ...mail("known"), ...noOdmr, ...upgrades },
  lmtp: {
    ...chat,
    ...mail("open"),
    ...noOdmr,
    EHLO: "shut",
    HELO: "shut",
    LHLO: "open",
    STARTTLS: "open",
    AUTH: "shut",
  },
  reversed: {
    ...chat,
    ...greetings,
    ...mail("open"),
    ...noOdmr,
    STARTTLS: "shut",
    AUTH: "shut",
    XODMRTURN: "open",
  },
};

/** Commands that wait until no final reply is owed; all others may be read while bodies are being committed. */
export const waitsForOwed: ReadonlySet<Verb> = new Set<Verb>([
  "EHLO",
  "HELO",
  "LHLO",
  "DATA",
  "AUTH",
  "STARTTLS",
  "ATRN",
  "ETRN",
  "XODMRWAIT",
  "XODMRTURN",
  "XODMRPAIR",
  "QUIT",
]);

/** Commands that want TLS first where the operator requires it (RFC 3207 §4). */
export const wantsTls: ReadonlySet<Verb> = new Set<Verb>(["AUTH", "ATRN", "ETRN", "XODMRWAIT", "MAIL"]);

/** First words of protocols that are not ours; whoever says them is not answered as a mail client. */
export const foreignWord = /^(?:GET|POST|PUT|HEAD|OPTIONS|CONNECT|DELETE|PATCH|PRI|PROXY|SSH-|\x16\x03)/;

/** Where a session stands when a command comes. */
export interface Standing {
  readonly settings: ServerSettings;
  readonly state: State;
  /** The peer has authenticated. */
  readonly known: boolean;
}

/** Why this command may not be given now; undefined: it may. Who has not said EHLO is told that before all else. */
export function refusalOf(verb: Verb, { settings, state, known }: Standing): Reply | undefined {
  const gate = gates[settings.service][verb];
  if (verb === "STARTTLS" && settings.secure && gate !== "shut") return say.tlsAlready;
  if (gate === "shut" || !offered(verb, settings)) return say.notHere;
  if (verb === "XODMRPAIR" && known) return say.authAlready;
  if (state !== "new" && lacksTls(verb, settings)) return say.tlsFirst;
  if (state !== "new" && gate === "known" && !known) return say.authFirst;
  const verdict = order[state][verb];
  return verdict === "go" ? undefined : verdict;
}

/** A token is a secret: it is not said in the clear, whatever the operator lets pass. */
const lacksTls = (verb: Verb, { secure, requireTls }: ServerSettings): boolean =>
  !secure && (verb === "XODMRPAIR" || (requireTls && wantsTls.has(verb)));

/** What an operator or a customer may switch off: then it is neither listed in EHLO nor obeyed. */
function offered(verb: Verb, settings: ServerSettings): boolean {
  const { startTls, mechanisms, wait, again, etrn, known, pair } = settings;
  if (verb === "STARTTLS") return startTls;
  if (verb === "XODMRWAIT") return wait !== undefined;
  if (verb === "ETRN") return etrn === true;
  if (verb === "XODMRTURN") return again === true;
  if (verb === "XODMRPAIR") return pair === true;
  return verb !== "AUTH" || mechanisms.length > 0 || known === true;
}
