/** A host that sends our mail on: we log in there as at the provider. */
// Mail waits until it can be reached again, or its operator and ours agree again: nothing is refused for what befalls a login.
import type { ReadyHop } from "../delivery/dialled.ts";
import { LineError } from "../net/talk.ts";
import type { Log } from "../platform/log.ts";
import { CallError } from "./callerror.ts";
import { type Login, type LoginTools, logIn, where } from "./login.ts";

export interface SmarthostTools extends LoginTools {
  readonly log: Log;
}

export function smarthostHop(login: Login, tools: SmarthostTools): ReadyHop {
  const failed = (fault: unknown): never => {
    if (!(fault instanceof CallError)) throw fault;
    // Each message says it as its last reply; an operator who looks at warnings only must hear of it too.
    tools.log.log("warn", "smarthost failed", { host: where(login), why: fault.message });
    throw new LineError("closed", fault.message, undefined, { cause: fault });
  };
  return { name: where(login), open: () => logIn(login, tools).catch(failed) };
}
