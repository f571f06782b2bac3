/** The shape of both sans-IO sessions: octets in, events out, octets to write. Read this before server.ts and client.ts. */
// No promise, clock, random or node: in this folder: a session can be cut at every octet, in any runtime.

import type { Address } from "../wire/address.ts";
import type { Command, MailParameters, RcptParameters } from "../wire/command.ts";
import type { Reply } from "../wire/reply.ts";

export interface Session<E> {
  /** Octets from the peer. They are kept, not copied: do not change them afterwards. */
  feed(bytes: Uint8Array): void;
  /** The peer will send no more. */
  feedEnd(): void;
  /** The next event, or undefined: more octets, an answer, or a settled body is needed first. */
  next(): E | undefined;
  /** Takes the octets that are ready to be written; empty if none. */
  flush(): Uint8Array;
  /** Octets fed and not yet used. */
  readonly unread: number;
  /** The line has turned (ATRN, STARTTLS, XODMRTURN): this session is over and a fresh one takes the same connection. */
  readonly turned: boolean;
  /** Nothing more will come of it: write what flush() gives, then close. */
  readonly ended: boolean;
}

/** Which of the post office's doors this is; each has its own commands (rules.ts). */
export type Service = "odmr" | "intake" | "submission" | "lmtp" | "reversed";

/** What a server session offers; it decides what EHLO lists and what is refused by syntax alone. */
export interface ServerSettings {
  readonly service: Service;
  /** Our name, in the EHLO reply. */
  readonly hostname: string;
  /** TLS is up on this connection. */
  readonly secure: boolean;
  /** STARTTLS may be offered (there is a certificate, and TLS is not up). */
  readonly startTls: boolean;
  /** AUTH, ATRN and MAIL want TLS first: 530 5.7.0 without. */
  readonly requireTls: boolean;
  /** SASL mechanisms to announce, strongest first; none: no AUTH. */
  readonly mechanisms: readonly string[];
  /** The largest message in octets, announced as SIZE. */
  readonly sizeLimit: number;
  /** Recipients in one transaction at most; more get 452 4.5.3. */
  readonly recipientLimit: number;
  /** Bare CR or LF in a body: refused (554 5.5.2 and close), or made CRLF (a listener for a trusted MTA). */
  readonly bareLineEnds: "refuse" | "normalise";
  /** Final replies that may be owed while later commands are read (protocol: streaming turn). 1 means none beyond the last. */
  readonly owedLimit: number;
  /** We keep a ledger: announce XODMRID. */
  readonly ledger: boolean;
  /** How long XODMRWAIT waits at most, in seconds; undefined: it is not offered. */
  readonly wait?: number;
  /** The reversed session may be followed by another round: announce XODMRTURN. */
  readonly again?: boolean;
  /** What is taken at this time of day is at most so large, in octets: announce XODMRLIMIT. */
  readonly limit?: number;
  /** Some customer may start the delivery of its mail by ETRN (RFC 1985): announce it. */
  readonly etrn?: boolean;
  /** Invitations are taken: announce XODMRPAIR, under TLS. */
  readonly pair?: boolean;
  /** The peer proved who it is in an earlier session on this very connection (XODMRTURN). */
  readonly known?: boolean;
}

/** Names a body whose final reply is owed; settle() takes it. */
export type BodyToken = number;

/** Where a message came from, by XODMRID: the sending spool and its id there. */
export interface Origin {
  readonly spool: string;
  readonly message: string;
}

/**
 * What a server session tells. Those marked * want exactly one answer before next() gives another:
 * reply(), or for `auth` and `response` also challenge(), or for `body` also proceed().
 */
export type ServerEvent =
  /** EHLO, LHLO or HELO was given and answered. Whatever transaction there was is gone. */
  | { readonly type: "greeted"; readonly verb: "EHLO" | "HELO" | "LHLO"; readonly name: string }
  /** * MAIL. A 2xx opens the transaction. */
  | { readonly type: "mail"; readonly from: Address; readonly parameters: MailParameters }
  /** * RCPT. A 2xx adds the recipient. */
  | { readonly type: "rcpt"; readonly to: Address; readonly parameters: RcptParameters }
  /** * DATA or the first BDAT, with at least one recipient. proceed() lets the body come; reply() refuses it. */
  | { readonly type: "body"; readonly by: "DATA" | "BDAT" }
  /** Canonical octets of the body: CRLF, dots taken off. Valid until a draft has them; do not change them. */
  | { readonly type: "octets"; readonly bytes: Uint8Array }
  /** The body is whole. Its final reply is owed from now on: settle(token, …) when it is safe. The next transaction may begin before. */
  | { readonly type: "complete"; readonly token: BodyToken }
  /** The transaction is gone (RSET, EHLO, a body that failed): drop the draft. Already answered. `why` says so for the log. */
  | { readonly type: "reset"; readonly why: "asked" | "bad body" | "too big" | "lost" }
  /** * AUTH. The initial response if there was one ("=" is an empty one). */
  | { readonly type: "auth"; readonly mechanism: string; readonly initial: Uint8Array | undefined }
  /** * An answer to challenge(); undefined: the client gave up ("*"); answer 501. */
  | { readonly type: "response"; readonly bytes: Uint8Array | undefined }
  /** * STARTTLS. A 220 turns the session. */
  | { readonly type: "starttls" }
  /** * ATRN with its domains in lower case; none: all of the customer's. A 250 turns the session. */
  | { readonly type: "atrn"; readonly domains: readonly string[] }
  /** * ETRN (RFC 1985), the argument as given. */
  | { readonly type: "etrn"; readonly node: string }
  /** * XODMRWAIT with its domains; only mail of at most `size` octets is waited for. */
  | { readonly type: "wait"; readonly domains: readonly string[]; readonly size: number | undefined }
  /** * XODMRTURN: the roles are to swap back. A 250 turns the session. */
  | { readonly type: "again" }
  /** * XODMRPAIR: an invitation's token, and the fingerprint of the certificate that is to count from now on. */
  | { readonly type: "pair"; readonly token: string; readonly certificate: string }
  /** QUIT was given and answered; the session has ended. */
  | { readonly type: "quit" }
  /** The session ended by the peer's fault; a last reply is ready if one could be given. A `reset` came before if there was a transaction. */
  | { readonly type: "failed"; readonly why: string };

export interface ServerSession extends Session<ServerEvent> {
  /** Says 220 (or a 4xx/5xx, which ends the session). Octets that came before it are early talk: the session fails. */
  greet(reply: Reply): void;
  /** Answers the one unanswered command. */
  reply(reply: Reply): void;
  /** Lets the body come (354 after DATA; nothing yet after BDAT). */
  proceed(): void;
  /** Sends a SASL challenge (334). */
  challenge(bytes: Uint8Array): void;
  /** The success reply of AUTH goes out; from now on the peer is somebody. */
  authenticated(reply: Reply): void;
  /** Gives an owed final reply; under LMTP one for each accepted recipient, in order. May come in any order; they leave in order. */
  settle(token: BodyToken, replies: readonly Reply[]): void;
  /** Ends the session from our side: 421 (or another code), after what is owed. */
  shut(reply: Reply): void;
  /** Final replies that are owed. */
  readonly owed: number;
  /** next() waits for settle(), not for octets. */
  readonly blocked: boolean;
}

/** What the peer's EHLO reply listed. */
export interface Capabilities {
  readonly name: string;
  /** Upper-case keyword → its parameters. */
  readonly keywords: ReadonlyMap<string, readonly string[]>;
  has(keyword: string): boolean;
  /** The announced SIZE in octets; undefined if none or without a limit (0). */
  readonly size: number | undefined;
  readonly mechanisms: readonly string[];
}

/** What a client session tells. Replies come in the order of the commands that they answer. */
export type ClientEvent =
  | { readonly type: "greeting"; readonly reply: Reply }
  /** The reply to a command; for EHLO and LHLO with what it listed. */
  | {
      readonly type: "reply";
      readonly to: Command;
      readonly reply: Reply;
      readonly capabilities?: Capabilities;
    }
  /** A final reply to a body; under LMTP one for each recipient that was accepted. `rest`: how many more this body gets. */
  | { readonly type: "settled"; readonly reply: Reply; readonly rest: number }
  /** 334: respond() (or cancel()). */
  | { readonly type: "challenge"; readonly bytes: Uint8Array }
  /** The session ended: the peer closed, said 421, or broke the protocol. Nothing outstanding will be answered. */
  | {
      readonly type: "failed";
      readonly why: string;
      readonly fault: "closed" | "protocol" | "injection";
      readonly reply?: Reply;
    };

export interface ClientSession extends Session<ClientEvent> {
  /** Writes a command; its reply comes as an event. BDAT: follow it with body() of exactly its size, no bodyEnd(). */
  send(command: Command): void;
  /** Body octets: dot-stuffed after DATA, as they are after BDAT. They are not copied where they need no change. */
  body(bytes: Uint8Array): void;
  /** Ends a body sent after DATA with the final dot (adding a CRLF where the body lacked it). */
  bodyEnd(): void;
  /** Answers a challenge; undefined gives up ("*"). */
  respond(bytes: Uint8Array | undefined): void;
  /** Commands and bodies without their final reply. */
  readonly outstanding: number;
}
