/** One line of the log: what happened to which recipient, by whom, and why. */
// Reasons are replies of strangers: they are text here, whatever is in them.
/** @jsxImportSource hono/jsx */
import type { EventJson } from "../schema.ts";
import { When } from "./parts.tsx";
import { shortId } from "./words.ts";

export interface EventLineProps {
  readonly event: EventJson;
  readonly now: number;
  /** Names its message, with a way there. */
  readonly link?: boolean;
}

const tones: Readonly<Record<EventJson["what"], "good" | "wait" | "bad" | "calm">> = {
  accepted: "calm",
  delivered: "good",
  deferred: "wait",
  refused: "bad",
  expired: "bad",
  held: "wait",
  released: "calm",
  retried: "calm",
  removed: "bad",
  moved: "calm",
  doubled: "calm",
};

export function EventLine({ event, now, link }: EventLineProps) {
  const { id, at, what, recipient, actor, reason } = event;
  return (
    <li class={`event event-${tones[what]}`}>
      <p class="event-what">
        <strong>{what}</strong>
        {recipient !== null && <span class="address"> {recipient}</span>}
        {link && (
          <>
            {" "}
            <a class="mono" href={`/queue/${id}`} title={id}>
              {shortId(id)}
            </a>
          </>
        )}
      </p>
      <p class="event-why">
        <When at={at} now={now} /> · {actor}
        {reason !== "" && ` · ${reason}`}
      </p>
    </li>
  );
}
