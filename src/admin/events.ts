/** Changes as they happen, as server-sent events (`change`, `turn`, `missed`), with a heartbeat where nothing happens. */
// The reader sets the pace: the next change is asked for when there is room for it.
import { type Clock, pause } from "../platform/clock.ts";
import type { Change, Records } from "../spool/records.ts";
import { eventJson, turnJson } from "./shapes.ts";

/** Proxies cut lines that are silent for a minute. */
const HEARTBEAT = 15_000;
const RETRY = 2000;

/**
 * @param lastEventId what the reader saw last: it goes on there
 * @param ended called once, when the reader has gone or the spool has closed
 */
export function eventStream(
  records: Records,
  clock: Clock,
  { lastEventId, ended }: { readonly lastEventId: number | undefined; readonly ended: () => void },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const stop = new AbortController();
  const changes = records.watch(stop.signal, lastEventId)[Symbol.asyncIterator]();
  let coming: Promise<IteratorResult<Change>> | undefined;
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(encoder.encode(`retry: ${RETRY}\n\n`)),
    async pull(controller) {
      coming ??= changes.next();
      const quiet = new AbortController();
      try {
        const got = await Promise.race([coming, pause(clock, HEARTBEAT, quiet.signal)]);
        if (got === undefined) return controller.enqueue(encoder.encode(": still here\n\n"));
        coming = undefined;
        if (got.done === true) throw new Error("the spool has closed");
        controller.enqueue(encoder.encode(eventText(got.value)));
      } catch {
        ended();
        controller.close();
      } finally {
        quiet.abort();
      }
    },
    cancel() {
      stop.abort();
      ended();
    },
  });
}

function eventText(change: Change): string {
  switch (change.type) {
    case "event":
      return `id: ${change.seq}\nevent: change\ndata: ${JSON.stringify(eventJson(change.event))}\n\n`;
    case "turn":
      return `event: turn\ndata: ${JSON.stringify(turnJson(change.turn))}\n\n`;
    case "missed":
      return `event: missed\ndata: ${JSON.stringify({ events: change.events })}\n\n`;
  }
}
