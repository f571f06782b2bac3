/** Work that is given so much time and no more. */
// The work may go on, with nobody to hear of it: whoever began it has bounded it too.
import type { Clock } from "../platform/clock.ts";

/** What comes of it within `ms`, else `late`. @throws what it throws in time */
export async function inTime<T>(clock: Clock, ms: number, work: Promise<T>, late: () => T): Promise<T> {
  let timer: { stop(): void } | undefined;
  const over = new Promise<T>((resolve) => {
    timer = clock.after(ms, () => resolve(late()));
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    timer?.stop();
    work.catch(() => {});
  }
}
