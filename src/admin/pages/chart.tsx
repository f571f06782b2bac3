/** The last day as a picture: what arrived stands above the line, what left hangs below, and each turn is a tick. */
// Drawn here, without a script; who cannot see it has the same numbers as a table.
/** @jsxImportSource hono/jsx */
import type { BucketJson, EventJson, TurnJson } from "../schema.ts";
import { Hour } from "./parts.tsx";
import { DAY, HOUR, many, number } from "./words.ts";

export interface ChartProps {
  /** One day in buckets of the same length, oldest first. */
  readonly buckets: readonly BucketJson[];
  readonly turns: readonly TurnJson[];
  readonly now: number;
}

/** Units of the picture; it is stretched to whatever room there is. */
const WIDTH = 960;
const HEIGHT = 160;
const MIDDLE = HEIGHT / 2;
const GAP = 3;
const TICK = 3;

export function Chart({ buckets, turns, now }: ChartProps) {
  const arrived = (bucket: BucketJson) => countOf(bucket, "accepted");
  const delivered = (bucket: BucketJson) => countOf(bucket, "delivered");
  const most = Math.max(1, ...buckets.map(arrived), ...buckets.map(delivered));
  const sum = (of: (bucket: BucketJson) => number) => buckets.reduce((all, bucket) => all + of(bucket), 0);
  const failed = turns.filter(({ state }) => state === "failed").length;
  const says =
    `In the last day ${many(sum(arrived), "message")} arrived, ${number(sum(delivered))} were delivered, ` +
    `and there ${turns.length === 1 ? "was" : "were"} ${many(turns.length, "turn")}${failed > 0 ? `, ${number(failed)} of them failed` : ""}.`;
  return (
    <figure class="chart">
      <figcaption>
        <span class="key key-arrived">arrived</span>
        <span class="key key-delivered">delivered</span>
        <span class="key key-turn">turn</span>
        {failed > 0 && <span class="key key-failed">failed turn</span>}
        <span class="chart-most">most in half an hour: {number(most)}</span>
      </figcaption>
      <svg
        class="chart-bars"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={says}
      >
        <title>{says}</title>
        {buckets.map((bucket, i) => (
          <Pair
            x={(i * WIDTH) / buckets.length}
            width={WIDTH / buckets.length - GAP}
            up={(arrived(bucket) / most) * (MIDDLE - 2)}
            down={(delivered(bucket) / most) * (MIDDLE - 2)}
          />
        ))}
        <rect class="chart-line" x="0" y={MIDDLE - 0.5} width={WIDTH} height="1" />
      </svg>
      <svg class="chart-turns" viewBox={`0 0 ${WIDTH} 10`} preserveAspectRatio="none" aria-hidden="true">
        {turns.map(({ started, state }) => (
          <rect
            class={state === "failed" ? "tick-failed" : "tick"}
            x={tickAt(new Date(started).getTime(), now)}
            width={TICK}
            height="10"
          />
        ))}
      </svg>
      <p class="chart-hours" aria-hidden="true">
        {[24, 18, 12, 6].map((hours) => (
          <Hour at={now - hours * HOUR} />
        ))}
        <span>now</span>
      </p>
      <details>
        <summary>The same as a table</summary>
        <ChartTable buckets={buckets} />
      </details>
    </figure>
  );
}

interface PairProps {
  readonly x: number;
  readonly width: number;
  readonly up: number;
  readonly down: number;
}

function Pair({ x, width, up, down }: PairProps) {
  return (
    <>
      {up > 0 && (
        <rect
          class="bar-arrived"
          x={round(x)}
          y={round(MIDDLE - 1 - up)}
          width={round(width)}
          height={round(up)}
        />
      )}
      {down > 0 && (
        <rect class="bar-delivered" x={round(x)} y={MIDDLE + 1} width={round(width)} height={round(down)} />
      )}
    </>
  );
}

function ChartTable({ buckets }: { readonly buckets: readonly BucketJson[] }) {
  const busy = buckets.filter((bucket) => countOf(bucket, "accepted") + countOf(bucket, "delivered") > 0);
  return (
    <table class="table table-small">
      <caption class="quiet">Messages by half an hour</caption>
      <thead>
        <tr>
          <th scope="col">From</th>
          <th scope="col" class="number">
            Arrived
          </th>
          <th scope="col" class="number">
            Delivered
          </th>
        </tr>
      </thead>
      <tbody>
        {busy.map((bucket) => (
          <tr>
            <th scope="row">
              <Hour at={new Date(bucket.at).getTime()} />
            </th>
            <td class="number">{number(countOf(bucket, "accepted"))}</td>
            <td class="number">{number(countOf(bucket, "delivered"))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const countOf = ({ counts }: BucketJson, what: EventJson["what"]): number => counts[what] ?? 0;
const tickAt = (at: number, now: number): number => round((1 - (now - at) / DAY) * (WIDTH - TICK));
const round = (value: number): number => Math.round(value * 10) / 10;
