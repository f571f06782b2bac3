/** The house's side of XODMRPAIR: it dials the relay that its invitation names, and says by which certificate it will be known. */
// The token leaves under TLS alone, and only to the relay whose certificate the invitation pins.
import { parseDomainList } from "../wire/domain.ts";
import { isPositive, isTransient, replyLine } from "../wire/reply.ts";
import { CallError } from "./callerror.ts";
import { callError, type Login, type LoginTools, logIn, where } from "./login.ts";
import type { Paired } from "./pairing.ts";

export interface Introduction {
  readonly token: string;
  /** SHA-256 of our certificate, 64 hex digits. */
  readonly certificate: string;
}

/** A relay that is known by its pin, and to which we are nobody yet. */
export type Inviter = Omit<Login, "user" | "password" | "certificate" | "ca"> & { readonly pin: string };

export interface Introduced extends Paired {
  /** An authority that this system trusts has signed the relay's certificate; for which name, is not asked. */
  readonly vouchedFor: boolean;
}

/** @returns who we are to the relay from now on @throws CallError */
export async function introduce(
  inviter: Inviter,
  { token, certificate }: Introduction,
  tools: LoginTools,
): Promise<Introduced> {
  const talk = await logIn(inviter, tools);
  try {
    if (!talk.capabilities.has("XODMRPAIR"))
      throw new CallError(
        "protocol",
        `${where(inviter)} takes no invitations; is it another program, or an older one?`,
      );
    const answer = await talk.ask({ verb: "XODMRPAIR", token, certificate }, inviter.patience);
    if (!isPositive(answer))
      throw new CallError(
        isTransient(answer) ? "later" : "refused",
        `${where(inviter)} does not take us in: ${replyLine(answer)}`,
      );
    const paired = pairedOf(answer.text);
    if (paired === undefined)
      throw new CallError("protocol", `${where(inviter)} took us in, but as nobody: ${replyLine(answer)}`);
    return { ...paired, vouchedFor: talk.connection.tls?.certificate?.trusted === true };
  } catch (fault) {
    throw callError(inviter, fault);
  } finally {
    await talk.close();
  }
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

function pairedOf([name = "", ...lines]: readonly string[]): Paired | undefined {
  const domains = parseDomainList(lines.join(","));
  return NAME.test(name) && domains !== undefined ? { name, domains } : undefined;
}
