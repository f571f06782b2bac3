/** How a call can fail, and what it brought nevertheless. */

/** What a call brought: messages that are safe in our spool, and octets that came. */
export interface Taken {
  readonly messages: number;
  readonly octets: number;
}

/** Each has its exit status and its next step: look at the network, call again later, report a bug there, mend the account. */
export type CallFault = "unreachable" | "later" | "protocol" | "refused";

export class CallError extends Error {
  override readonly name = "CallError";
  readonly fault: CallFault;
  /** What was taken in before it failed: a line that broke after some mail is worth another call at once. */
  readonly taken: Taken | undefined;
  constructor(fault: CallFault, message: string, options?: ErrorOptions & { readonly taken?: Taken }) {
    super(message, options);
    this.fault = fault;
    this.taken = options?.taken;
  }
}
