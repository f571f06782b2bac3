/** Staying on the line: what waits comes in, then we wait with the provider for more, round after round. */
// Between our two ends only (XODMRWAIT and XODMRTURN, dist/docs/extensions.md); with any other provider it ends after a round.
import type { Talk } from "../net/talk.ts";
import { isPositive, replyLine } from "../wire/reply.ts";
import { type Account, begin, type Caller, nothing, round } from "./call.ts";
import { CallError, type Taken } from "./callerror.ts";
import { callError } from "./login.ts";
import { firstOf } from "./wait.ts";

export interface Following {
  /** Aborted when there is to be no further round. */
  readonly stopping: AbortSignal;
  /** Resolves when somebody wants to know at once whether there is mail: the wait is broken off. */
  asked(): Promise<void>;
  /** Told at the end of every round what it brought. */
  brought(taken: Taken): void;
  /** Told when a wait begins: all that was there has come, and what comes from now on comes at once. */
  waiting?(): void;
}

/** How it ended: the provider cannot wait, it let us go after a round (call again), or we were told to leave. */
export type Parting = "cannot wait" | "let go" | "told to leave";

/** Beyond the agreed time, in milliseconds: whoever has said nothing by then is gone. */
const GRACE = 60_000;
const AGREED_AT_MOST = 3_600;

/**
 * @param asks lists of domains that each fit a command line; an empty one for all
 * @throws CallError when the line breaks; what was told to `brought` before is safe
 */
export async function follow(
  account: Account,
  asks: readonly (readonly string[])[],
  caller: Caller,
  following: Following,
): Promise<Parting> {
  const { stopping } = following;
  let talk: Talk | undefined = await begin(account, caller);
  const { connection } = talk;
  try {
    while (!stopping.aborted) {
      let sum = nothing;
      for (const ask of asks) {
        if (talk === undefined) break;
        const { taken, talk: next }: Awaited<ReturnType<typeof round>> = await round(talk, {
          ...{ account, ask, stay: true },
          caller: { ...caller, progress: told(caller, sum) },
        });
        sum = { messages: sum.messages + taken.messages, octets: sum.octets + taken.octets };
        talk = next;
      }
      following.brought(sum);
      if (talk === undefined) return "let go";
      if (!talk.capabilities.has("XODMRWAIT")) return "cannot wait";
      following.waiting?.();
      const largest = () => account.largest?.(caller.clock.now());
      await wait(talk, { caller, following, domains: asks.length === 1 ? asks[0]! : [], largest });
    }
    return "told to leave";
  } catch (fault) {
    throw stopping.aborted ? new CallError("later", "told to leave") : callError(account, fault);
  } finally {
    await talk?.close();
    await connection.close();
  }
}

interface Waiting {
  readonly caller: Caller;
  readonly following: Following;
  readonly domains: readonly string[];
  readonly largest: () => number | undefined;
}

/** Returns when there is mail, or somebody wants to know, or we are to leave. */
async function wait(talk: Talk, { caller: { clock }, following, domains, largest }: Waiting): Promise<void> {
  const { stopping } = following;
  const agreed = Number(talk.capabilities.keywords.get("XODMRWAIT")?.[0] ?? AGREED_AT_MOST);
  const within = Math.min(agreed || AGREED_AT_MOST, AGREED_AT_MOST) * 1_000 + GRACE;
  let curious = false;
  const asked = following.asked().then(() => {
    curious = true;
  });
  while (!stopping.aborted) {
    const size = largest();
    const answer = talk.say({ verb: "XODMRWAIT", domains, ...(size !== undefined && { size }) }, within);
    await talk.flush();
    let answered = false;
    const heard = answer.finally(() => {
      answered = true;
    });
    heard.catch(() => undefined); // it is awaited below
    await firstOf([heard, asked], { clock, left: 2 * within, signal: stopping });
    // A word from us ends the wait: it is answered, and then the word.
    if (!answered) await talk.ask({ verb: "NOOP", argument: "" });
    const said = await heard;
    if (!isPositive(said)) throw new CallError("later", `XODMRWAIT was answered ${replyLine(said)}`);
    if (said.code === 250 || curious) return;
  }
}

function told({ progress }: Caller, before: Taken): NonNullable<Caller["progress"]> {
  return ({ messages, octets }, expected) =>
    progress?.({ messages: before.messages + messages, octets: before.octets + octets }, expected);
}
