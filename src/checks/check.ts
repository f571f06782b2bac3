/** The seam for checks at the door: who is there, what was brought, and what came of looking at it. Read this first. */
// A check never throws and never waits without an end: what it could not find out is a verdict too.
import type { Result } from "../mail/results.ts";
import type { Address } from "../wire/address.ts";
import type { Reply } from "../wire/reply.ts";

/** What is done about a finding beside marking it. */
export type Act = "mark" | "defer" | "refuse";

export type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Who handed a message in. */
export interface Visitor {
  /** An IP address, or "unix". */
  readonly address: string;
  /** The name given in EHLO. */
  readonly helo: string;
  /** The name of the address in DNS that leads back to it; undefined: it has none, or nobody asked. */
  readonly name?: string | undefined;
  /** Who it has proved to be. */
  readonly user?: string | undefined;
  readonly tls?: { readonly protocol: string; readonly cipher: string } | undefined;
}

/** A message that is whole and not yet accepted. */
export interface Letter {
  readonly id: string;
  readonly visitor: Visitor;
  readonly from: Address;
  readonly recipients: readonly Address[];
  /** Octets of content(). */
  readonly size: number;
  /** As it came: what signatures are over. */
  original(): Pieces;
  /** As it will be stored, below the trace fields. */
  content(): Pieces;
}

export interface Verdict {
  /** For the Authentication-Results field. */
  readonly results?: readonly Result[];
  /** Further fields to go on top, CRLF-ended. */
  readonly fields?: string;
  readonly refusal?: Reply;
  /** For the log: what was wrong with the message, or with the check. */
  readonly why?: string;
}

/** Looks at whole messages. */
export interface Check {
  examine(letter: Letter): Promise<Verdict>;
}

/** What the checks of one connection say. */
export interface Inspection {
  /** Milliseconds before the greeting: who speaks earlier is a program that reads no answers. */
  readonly greetingDelay: number;
  /** Authentication-Results in our name are forged: nobody but us writes them, and we do it after this. */
  readonly unforged: boolean;
  /** Whether this connection may write to this recipient. */
  recipient(to: Address, visitor: Visitor): Promise<Reply | undefined>;
  /** The fields that go on top, or a refusal. */
  message(letter: Letter): Promise<Examined>;
}

export interface Examined {
  readonly fields: string;
  readonly refusal?: Reply;
  /** Why it was refused, or not looked at. */
  readonly why?: string;
}

/** Decides who is looked at; made anew with the configuration. */
export interface Inspector {
  /** undefined: this one may pass unseen. */
  meet(service: string, address: string): Inspection | undefined;
}
