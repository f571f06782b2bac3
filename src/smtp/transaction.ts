/** Where a session stands in the table of rules.ts, from EHLO through a transaction and back. */
// It only moves; whether a command may come is refusalOf()'s to say.
import { type Address, isAscii } from "../wire/address.ts";
import type { MailParameters } from "../wire/command.ts";
import type { Reply } from "../wire/reply.ts";
import { type State, say } from "./rules.ts";

export class Transaction {
  #state: State = "new";
  /** Where a transaction ends: what was said by HELO is not forgotten by sending mail. */
  #between: "new" | "plain" | "ready" = "new";
  #recipients = 0;
  #utf8 = false;

  get state(): State {
    return this.#state;
  }

  /** MAIL was accepted, and the body is not complete. */
  get open(): boolean {
    return this.#state !== this.#between;
  }

  greeted(verb: "EHLO" | "HELO" | "LHLO"): void {
    this.#between = verb === "HELO" ? "plain" : "ready";
    this.#state = this.#between;
  }

  /** MAIL is being asked about; sent() opens the transaction. */
  prepare({ smtputf8 }: MailParameters): void {
    this.#recipients = 0;
    this.#utf8 = smtputf8 === true;
  }

  sent(): void {
    this.#state = "mail";
  }

  /** Why this recipient is one too many or not to be written so; undefined: it may be asked about. */
  refusalOf(to: Address, limit: number): Reply | undefined {
    if (this.#recipients >= limit) return say.tooManyRecipients;
    return this.#utf8 || isAscii(to) ? undefined : say.needsUtf8;
  }

  addressed(): void {
    this.#state = "rcpt";
    this.#recipients++;
  }

  /** The first chunk of a body by BDAT is let in. */
  chunked(): void {
    this.#state = "chunks";
  }

  /** A chunk was refused: only RSET mends it (RFC 3030 §2). Outside a transaction there is nothing to mend. */
  spoil(): void {
    if (this.open) this.#state = "spoilt";
  }

  end(): void {
    this.#state = this.#between;
  }
}
