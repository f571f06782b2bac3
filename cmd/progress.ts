/** Progress on stderr while mail comes in or long work goes on, where somebody watches a terminal; nothing otherwise. */
import cliProgress from "cli-progress";
import { formatDuration, formatSize } from "../src/config/units.ts";
import type { Clock, Timer } from "../src/platform/clock.ts";
import type { Account } from "../src/relay/call.ts";
import type { Taken } from "../src/relay/callerror.ts";
import type { Stage } from "../src/relay/login.ts";
import { sizeText } from "./table.ts";

export interface Progress {
  update(taken: Taken, expected: number | undefined): void;
  end(): void;
}

/** @param name what the bar stands for */
export function progressOf(name: string): Progress {
  if (process.stderr.isTTY !== true) return { update: () => {}, end: () => {} };
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
    format: `${name} {bar} {value} of {total} messages, {size}`,
  });
  let started = false;
  return {
    update(taken, expected) {
      const total = Math.max(expected ?? 0, taken.messages);
      const size = { size: formatSize(taken.octets) };
      if (!started) bar.start(total, taken.messages, size);
      started = true;
      bar.setTotal(total);
      bar.update(taken.messages, size);
    },
    end() {
      if (started) bar.stop();
      started = false;
    },
  };
}

/** Milliseconds after which somebody at a terminal wonders. */
const WONDERS = 3_000;

/** Says on a terminal whom we wait for, when that takes longer than anybody expects; nothing otherwise. */
export function waitingFor(
  { name, host, port, patience = GREETED }: Pick<Account, "name" | "host" | "port" | "patience">,
  { stderr, clock }: { readonly stderr: object; readonly clock: Pick<Clock, "after"> },
): { stage(stage: Stage): void; end(): void } {
  if (!watched(stderr)) return { stage: () => {}, end: () => {} };
  const texts: Readonly<Partial<Record<Stage, string>>> = {
    dialling: "dialling",
    greeting: `connected, and waiting up to ${formatDuration(patience)} for a greeting from`,
    login: "logging in at",
    asking: "waiting for word on our mail from",
  };
  let timer: Timer | undefined;
  const say = (text: string) =>
    void (stderr as NodeJS.WritableStream).write(`${name}: ${text} ${host}:${port}\n`);
  return {
    stage(stage) {
      timer?.stop();
      const text = texts[stage];
      if (text !== undefined) timer = clock.after(WONDERS, () => say(text));
    },
    end: () => timer?.stop(),
  };
}

/** As long as a greeting is waited for (RFC 5321 §4.5.3.2.1). */
const GREETED = 5 * 60_000;

export interface WorkProgress {
  /** @param total where it is known */
  update(done: number, total?: number): void;
  end(): void;
}

const formats = {
  messages: { bar: "{bar} {value} of {total} messages, {eta_formatted} left", count: "{value} messages" },
  octets: { bar: "{bar} {done} of {all}, {eta_formatted} left", count: "{done}" },
} as const;

/** For work that counts its messages or octets; what is printed meanwhile goes to a pipe or stands above the bar. */
export function workProgress(name: string, unit: keyof typeof formats, stderr: object): WorkProgress {
  if (!watched(stderr)) return { update: () => {}, end: () => {} };
  let bar: cliProgress.SingleBar | undefined;
  const begin = (total: number): cliProgress.SingleBar => {
    const made = new cliProgress.SingleBar({
      stream: stderr as NodeJS.WritableStream,
      clearOnComplete: true,
      hideCursor: true,
      format: `${name} ${formats[unit][total > 0 ? "bar" : "count"]}`,
    });
    made.start(total, 0, sizes(0, total));
    return made;
  };
  return {
    update(done, total = 0) {
      bar ??= begin(total);
      bar.setTotal(Math.max(total, done));
      bar.update(done, sizes(done, total));
    },
    end() {
      bar?.stop();
      bar = undefined;
    },
  };
}

/** Whether somebody watches this stream. */
export const watched = (stream: object): boolean => "isTTY" in stream && stream.isTTY === true;

const sizes = (done: number, all: number) => ({ done: sizeText(done), all: sizeText(all) });
