/** SMTP commands: grammar only; what is allowed when is rules.ts's, what is allowed to whom is relay's. */
import type { Address } from "./address.ts";

/** MAIL's parameters (RFC 1870, 6152, 6531, 3461, 4954 and our XODMRID). */
export interface MailParameters {
  readonly size?: number;
  readonly body?: "7BIT" | "8BITMIME";
  readonly smtputf8?: true;
  readonly ret?: "FULL" | "HDRS";
  /** Decoded from xtext. */
  readonly envid?: string;
  /** AUTH= of RFC 4954, decoded from xtext; "<>" is kept as such. */
  readonly auth?: string;
  /** XODMRID=<spool>.<message>. */
  readonly origin?: { readonly spool: string; readonly message: string };
}

/** RCPT's parameters (RFC 3461). */
export interface RcptParameters {
  readonly notify?: readonly ("NEVER" | "SUCCESS" | "FAILURE" | "DELAY")[];
  /** `type;address`, the address decoded from xtext. */
  readonly orcpt?: string;
}

export type Command =
  | { readonly verb: "EHLO" | "HELO" | "LHLO"; readonly name: string }
  | { readonly verb: "MAIL"; readonly from: Address; readonly parameters: MailParameters }
  | { readonly verb: "RCPT"; readonly to: Address; readonly parameters: RcptParameters }
  | { readonly verb: "DATA" | "RSET" | "QUIT" | "STARTTLS" }
  | { readonly verb: "NOOP" | "HELP" | "VRFY" | "EXPN"; readonly argument: string }
  | { readonly verb: "BDAT"; readonly size: number; readonly last: boolean }
  | { readonly verb: "AUTH"; readonly mechanism: string; readonly initial: Uint8Array | undefined }
  /** Domains in lower case; none: all. */
  | { readonly verb: "ATRN" | "XODMRWAIT"; readonly domains: readonly string[] }
  | { readonly verb: "ETRN"; readonly node: string };

export type Verb = Command["verb"];
