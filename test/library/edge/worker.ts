/** What runs in the Worker: a call cut at every octet, and the admin interface; the findings are posted to whoever began it. */
// Bundled into one file, before which everything that is not of the web is deleted.
import { askDesk } from "./desk.ts";
import { type Cut, talk } from "./talk.ts";

export interface Findings {
  /** Globals of a runtime that are there all the same. */
  readonly foreign: readonly string[];
  readonly whole: readonly string[];
  /** Calls in which one read came as two. */
  readonly parted: Tried;
  /** Calls whose line broke. */
  readonly broken: Tried;
  readonly desk: Readonly<Record<string, string>>;
}

interface Tried {
  readonly count: number;
  /** Where something else was heard than ought to be. */
  readonly wrong: readonly string[];
}

const FOREIGN = ["process", "Buffer", "require", "global", "module", "setImmediate", "Bun", "Deno"];

const whole = talk();

/** Tries a call cut behind every octet of both directions. */
function everywhere(then: Cut["then"], isRight: (heard: readonly string[]) => boolean): Tried {
  const wrong: string[] = [];
  let count = 0;
  for (const to of ["house", "provider"] as const)
    for (let at = 1; at < whole.octets[to]; at++, count++)
      if (!isRight(talk({ to, at, then }).heard)) wrong.push(`octet ${at} to the ${to}`);
  return { count, wrong };
}

const sameAsWhole = (heard: readonly string[]): boolean => heard.join("\n") === whole.heard.join("\n");

/** Both ends know that it is over, and what the provider knows to be settled the house has, whole. */
function isBroken(heard: readonly string[]): boolean {
  const ended = ["house", "provider"].every((end) =>
    heard.some((line) => line.startsWith(`${end}: `) && /: (failed|quit)/.test(line)),
  );
  return ended && (!heard.includes("provider: settled 250") || heard.includes("house: complete"));
}

const findings: Findings = {
  foreign: FOREIGN.filter((name) => (globalThis as Record<string, unknown>)[name] !== undefined),
  whole: whole.heard,
  parted: everywhere("goes on", sameAsWhole),
  broken: everywhere("breaks", isBroken),
  desk: await askDesk(),
};
postMessage(findings);
