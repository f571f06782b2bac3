/** Questions to whoever sits at the terminal; they go to stderr, for stdout is for results. */
// What cannot be used is said and asked again; who hangs up (Ctrl-D, Ctrl-C) ends the program, and nothing has been done.
import { homedir } from "node:os";
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { parseTarget, type Target } from "../src/config/target.ts";
import { systemClock } from "../src/platform/clock.ts";
import { Exit, status } from "./exit.ts";
import { looking, type Proposal, proposals } from "./proposal.ts";

type Question = (text: string) => Promise<string>;

export interface Asking {
  /** Undefined: nobody is there to be asked. */
  readonly question: Question | undefined;
  close(): void;
}

export function asking(): Asking {
  if (process.stdin.isTTY !== true) return { question: undefined, close: () => {} };
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const left = new Promise<never>((_, reject) =>
    lines.once("close", () => reject(new Exit(status.usage, "it was not answered, and nothing was written"))),
  );
  left.catch(() => {}); // closing after the last answer is no trouble
  return { question: (text) => Promise.race([lines.question(text), left]), close: () => lines.close() };
}

/** Asks until `read` makes something of the answer; what it throws is said. @param proposed for an empty answer */
export async function answerTo<T>(
  question: Question,
  text: string,
  { read, proposed }: { readonly read: (answer: string) => T; readonly proposed?: string },
): Promise<T> {
  const prompt = proposed === undefined ? `${text}: ` : `${text} [${proposed}]: `;
  for (;;)
    try {
      const said = (await question(prompt)).trim();
      return read(said === "" && proposed !== undefined ? proposed : said);
    } catch (fault) {
      if (fault instanceof Exit || !(fault instanceof Error)) throw fault;
      process.stderr.write(`${fault.message}\n`);
    }
}

/** What could take mail here. */
export const found = (): Promise<readonly Proposal[]> => proposals(looking(homedir(), systemClock));

/** Where mail is to go: one of what was found, or another target. */
export async function askTarget(question: Question): Promise<Target> {
  const all = await found();
  const lines = all.map(({ target, what }, i) => `  ${i + 1}  ${target}   (${what})\n`).join("");
  const text = `Where is mail to go?\n${lines}A number, or another target`;
  return await answerTo(question, text, {
    proposed: "1",
    read: (said) => targetIn(all[Number(said) - 1]?.target ?? said),
  });
}

/** @throws TargetError */
export function targetIn(text: string): Target {
  const target = parseTarget(text);
  return "path" in target ? { ...target, path: resolve(target.path.replace(/^~(?=\/)/, homedir())) } : target;
}
