/** One errand for an account: calls until its mail is here, in as many turns as its domains and a bad line ask for. */
import type { Records } from "../spool/records.ts";
import { domainLists } from "../wire/domain.ts";
import { type Account, type Caller, call } from "./call.ts";
import { CallError, type Taken } from "./callerror.ts";

/** A command line may have 512 octets with its CRLF (RFC 5321 §4.5.3.1.4). */
const LIST_AT_MOST = 512 - "ATRN ".length - "\r\n".length;

/**
 * Takes in what the provider has. A line that breaks after some mail came is dialled again at once, for as long as each
 * call brings something: there are providers whose line breaks at every second message.
 * @param ask the domains to ask for; none: all @throws CallError with all that was taken
 */
export async function runErrand(account: Account, ask: readonly string[], caller: Caller): Promise<Taken> {
  let sum: Taken = { messages: 0, octets: 0 };
  for (const list of lists(ask)) {
    for (let again = true; again; ) {
      again = false;
      const before = sum;
      const told: Caller = {
        ...caller,
        progress: (taken, expected) => caller.progress?.(add(before, taken), expected),
      };
      try {
        sum = add(sum, await call(account, list, told));
      } catch (fault) {
        if (!(fault instanceof CallError)) throw fault;
        sum = add(sum, fault.taken ?? nothing);
        again = fault.fault === "later" && (fault.taken?.messages ?? 0) > 0;
        if (!again) throw new CallError(fault.fault, fault.message, { cause: fault, taken: sum });
        caller.log.log("warn", "line broke, calling again", { account: account.name, why: fault.message });
      }
    }
  }
  return sum;
}

/** runErrand(), with a record of it in the spool. */
export async function runNotedErrand(
  account: Account,
  ask: readonly string[],
  { records, ...caller }: Caller & { readonly records: Records },
): Promise<Taken> {
  const { name: customer, host, port } = account;
  const record = records.turn({ side: "customer", customer, peer: `${host}:${port}` });
  const note = ({ messages, octets }: Taken): void =>
    record.progress({ delivered: messages, deferred: 0, refused: 0, octets });
  const progress: Caller["progress"] = (taken, expected) => {
    note(taken);
    caller.progress?.(taken, expected);
  };
  try {
    const taken = await runErrand(account, ask, { ...caller, progress });
    note(taken);
    await record.end();
    return taken;
  } catch (fault) {
    if (fault instanceof CallError && fault.taken !== undefined) note(fault.taken);
    await record.end(fault instanceof Error ? fault.message : String(fault));
    throw fault;
  }
}

const nothing: Taken = { messages: 0, octets: 0 };

const add = (a: Taken, b: Taken): Taken => ({
  messages: a.messages + b.messages,
  octets: a.octets + b.octets,
});

/** The domains in lists that each fit a command line; one empty list for "all". */
export const lists = (domains: readonly string[]): readonly (readonly string[])[] =>
  domainLists(domains, LIST_AT_MOST);
