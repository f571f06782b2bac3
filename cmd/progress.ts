/** Progress on stderr while mail comes in or long work goes on, where somebody watches a terminal; nothing otherwise. */
import cliProgress from "cli-progress";
import { formatSize } from "../src/config/units.ts";
import type { Taken } from "../src/relay/callerror.ts";
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
