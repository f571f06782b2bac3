/** A progress bar on stderr while mail comes in, where somebody watches a terminal; nothing otherwise. */
import cliProgress from "cli-progress";
import { formatSize } from "../src/config/units.ts";
import type { Taken } from "../src/relay/callerror.ts";

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
