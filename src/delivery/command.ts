/** Delivery to a program: the message on its stdin, its exit status is the answer. */
// An argument list and never a shell: what strangers write into addresses stays one word of one argument.
import { type ChildProcess, spawn } from "node:child_process";
import { access, constants, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Writable } from "node:stream";
import { type Clock, pause } from "../platform/clock.ts";
import type { Address } from "../wire/address.ts";
import { type Reply, reply } from "../wire/reply.ts";
import type { Delivery, Outcome, Parcel } from "./delivery.ts";
import { argumentFor, BadName, keptForm, outcome, replyTo, withoutControls } from "./local.ts";

export interface CommandSettings {
  /** The program and its arguments; {domain}, {local}, {recipient} stand for a recipient's. */
  readonly argv: readonly [string, ...string[]];
  readonly clock: Clock;
  /** How long the program may take for one message, in milliseconds; five minutes unless given. */
  readonly limit?: number;
}

const LIMIT = 5 * 60_000;
const STDERR_AT_MOST = 4096;
const LINE_AT_MOST = 400;
/** For what a program that has ended still has in its pipe. */
const LAST_WORDS = 1_000;

/** Runs the program once for each recipient. At least once: a crash may run it again. */
export function command(settings: CommandSettings): Delivery {
  return {
    deliver: async (parcel) => {
      const outcomes: Outcome[] = [];
      for (const { address } of parcel.envelope.recipients)
        outcomes.push(outcome(address, await runFor(address, parcel, settings)));
      return outcomes;
    },
    close: async () => {},
  };
}

/** What stands in the way of running this program; undefined if nothing does. */
export async function commandProblem([program]: readonly [string, ...string[]]): Promise<string | undefined> {
  const places = program.includes("/") ? [program] : searchPath().map((folder) => join(folder, program));
  for (const place of places) if (await isExecutable(place)) return undefined;
  return program.includes("/")
    ? `${program} is no program that can be run`
    : `there is no program ${program} in PATH`;
}

async function runFor(recipient: Address, parcel: Parcel, settings: CommandSettings): Promise<Reply> {
  const [program, ...rest] = settings.argv;
  try {
    const args = rest.map((template) => argumentFor(template, recipient));
    const env = environment(parcel, recipient);
    return await run(spawn(program, args, { env, stdio: ["pipe", "ignore", "pipe"], detached: true }), {
      content: keptForm(parcel, [recipient]),
      clock: settings.clock,
      limit: settings.limit ?? LIMIT,
    });
  } catch (error) {
    return error instanceof BadName ? replyTo(error) : cannotRun(error);
  }
}

/** What the program knows beside its arguments; nothing of ours is passed on but where programs and home are. */
function environment(parcel: Parcel, recipient: Address): Record<string, string> {
  const { envelope, id } = parcel;
  const original = envelope.recipients.find(({ address }) => address === recipient)?.orcpt;
  const facts = {
    SENDER: envelope.from,
    RECIPIENT: recipient,
    ORIGINAL_RECIPIENT: original ?? "",
    MESSAGE: id,
  };
  for (const fact of Object.values(facts)) withoutControls(fact);
  return { PATH: searchPath().join(delimiter), HOME: process.env.HOME ?? "/", ...facts };
}

interface Work {
  readonly content: AsyncIterable<Uint8Array>;
  readonly clock: Clock;
  readonly limit: number;
}

interface End {
  readonly status: number | null;
  readonly signal: string | null;
}

async function run(child: ChildProcess, { content, clock, limit }: Work): Promise<Reply> {
  const { stdin, stderr } = child;
  if (stdin === null || stderr === null) throw new Error("a program without pipes");
  const ended = endOf(child);
  const words = wordsOf(stderr);
  let late = false;
  const timer = clock.after(limit, () => {
    late = true;
    killGroup(child);
  });
  try {
    const [end] = await Promise.all([ended, pour(content, stdin, ended)]);
    await settledWithin(words.ended, LAST_WORDS, clock);
    stderr.destroy();
    if (late) return reply(451, "4.3.0", `the program took more than ${Math.round(limit / 1000)} s`);
    return replyOf(end, words.first());
  } finally {
    timer.stop();
    if (child.exitCode === null && child.signalCode === null) killGroup(child);
  }
}

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status, signal) => resolve({ status, signal }));
  });
}

/** A program need not read it all: a pipe that closes is no fault. */
async function pour(content: AsyncIterable<Uint8Array>, stdin: Writable, ended: Promise<End>): Promise<void> {
  let open = true;
  const closed = new Promise<void>((resolve) => {
    stdin.on("error", () => resolve());
    stdin.on("close", () => resolve());
    ended.then(
      () => resolve(),
      () => resolve(),
    );
  }).then(() => {
    open = false;
  });
  for await (const piece of content) {
    if (!open) return;
    if (!stdin.write(piece))
      await Promise.race([new Promise((resolve) => stdin.once("drain", resolve)), closed]);
  }
  stdin.end();
}

/** The beginning of what it says. */
function wordsOf(stderr: NodeJS.ReadableStream): { readonly ended: Promise<void>; first(): string } {
  let text = "";
  const decoder = new TextDecoder();
  stderr.on("data", (bytes: Uint8Array) => {
    if (text.length < STDERR_AT_MOST) text += decoder.decode(bytes, { stream: true });
  });
  const ended = new Promise<void>((resolve) => {
    stderr.on("end", resolve);
    stderr.on("close", resolve);
    stderr.on("error", () => resolve());
  });
  return {
    ended,
    first: () => (text.split(/[\r\n]/).find((line) => line.trim() !== "") ?? "").slice(0, LINE_AT_MOST),
  };
}

async function settledWithin(promise: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const stop = new AbortController();
  await Promise.race([promise, pause(clock, ms, stop.signal)]);
  stop.abort();
}

/** The program and what it started. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
}

/** sysexits: EX_OSERR, EX_CANTCREAT, EX_IOERR, EX_TEMPFAIL. */
const LATER: ReadonlySet<number> = new Set([71, 73, 74, 75]);
/** EX_DATAERR, EX_NOUSER, EX_NOHOST, EX_NOPERM, as RFC 3463 has them. */
const ENHANCED: Readonly<Record<number, string>> = { 65: "5.6.0", 67: "5.1.1", 68: "5.1.2", 77: "5.7.1" };

function replyOf({ status, signal }: End, said: string): Reply {
  if (status === 0) return reply(250, "2.0.0", "taken by the program");
  if (status === null) return reply(451, "4.3.0", `the program was ended by ${signal}`);
  const text = clean(said) || `the program ended with ${status}`;
  return LATER.has(status) ? reply(451, "4.3.0", text) : reply(554, ENHANCED[status] ?? "5.3.0", text);
}

const clean = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").trim();

/** A program that is missing is the operator's fault and not the mail's: it waits. */
function cannotRun(error: unknown): Reply {
  if (!(error instanceof Error) || !("syscall" in error)) throw error;
  return reply(451, "4.3.5", `the program cannot be run (${"code" in error ? error.code : error.message})`);
}

const searchPath = (): readonly string[] =>
  (process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin").split(delimiter);

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
