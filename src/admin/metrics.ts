/** What Prometheus reads: text exposition, version 0.0.4. */
// Names end in their unit, counters in _total; a counter is the spool's own, so that a restart does not set it back.
import type { Clock } from "../platform/clock.ts";
import type { CommitTimes, LaneSum, RecordingSpool, Totals, TurnRecord } from "../spool/records.ts";
import { version } from "../version.ts";

/** What only a runtime knows of its process. */
export interface ProcessFacts {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Seconds since 1970. */
  readonly started: number;
}

type Labels = Readonly<Record<string, string>>;
interface Sample {
  readonly labels?: Labels;
  readonly suffix?: string;
  readonly value: number;
}
interface Metric {
  readonly name: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly samples: readonly Sample[];
}

export async function metricsText(
  { records }: RecordingSpool,
  clock: Clock,
  facts: ProcessFacts | undefined,
): Promise<string> {
  const [lanes, totals, turns] = await Promise.all([records.lanes(), records.totals(), records.lastTurns()]);
  return [
    gauge("odmr_build_info", "The version that runs.", [{ labels: { version }, value: 1 }]),
    ...ofLanes(lanes, clock.now()),
    ...ofTotals(totals),
    ...ofTurns(turns),
    ofCommits(records.commits()),
    ...(facts === undefined ? [] : ofProcess(facts)),
  ]
    .map(textOf)
    .join("");
}

function ofLanes(lanes: readonly LaneSum[], now: number): readonly Metric[] {
  const each = (value: (lane: LaneSum) => number): readonly Sample[] =>
    lanes.map((lane) => ({
      labels: { direction: lane.direction, customer: lane.customer },
      value: value(lane),
    }));
  const age = ({ count, oldest }: LaneSum) =>
    count === 0 || oldest === undefined ? 0 : Math.max(0, now - oldest) / 1000;
  return [
    gauge(
      "odmr_queue_entries",
      "Entries that are here.",
      each(({ count }) => count),
    ),
    gauge(
      "odmr_queue_size_bytes",
      "Octets that are here.",
      each(({ octets }) => octets),
    ),
    gauge("odmr_queue_oldest_age_seconds", "Age of what has been here longest; 0: nothing is.", each(age)),
    gauge(
      "odmr_queue_held_recipients",
      "Recipients held.",
      each(({ held }) => held),
    ),
    gauge(
      "odmr_queue_leased_recipients",
      "Recipients being delivered now.",
      each(({ leased }) => leased),
    ),
  ];
}

const WATCHED = ["accepted", "delivered", "deferred", "refused", "expired", "held", "removed"] as const;

function ofTotals({ events, octets, turns }: Totals): readonly Metric[] {
  const kinds = new Set([...WATCHED, ...Object.keys(events)]) as ReadonlySet<keyof typeof events>;
  return [
    counter(
      "odmr_events_total",
      "Entries accepted, and what became of recipients.",
      [...kinds].map((event) => ({ labels: { event }, value: events[event] ?? 0 })),
    ),
    counter("odmr_accepted_bytes_total", "Octets accepted.", [{ value: octets }]),
    counter(
      "odmr_turns_total",
      "Turns that ended, by our side of the line.",
      (["provider", "customer"] as const).flatMap((side) =>
        (["done", "failed"] as const).map((result) => ({
          labels: { side, result },
          value: turns[side][result],
        })),
      ),
    ),
  ];
}

function ofTurns(turns: readonly TurnRecord[]): readonly Metric[] {
  const each = (value: (turn: TurnRecord) => number): readonly Sample[] =>
    turns.map((turn) => ({ labels: { side: turn.side, customer: turn.customer }, value: value(turn) }));
  return [
    gauge(
      "odmr_last_turn_timestamp_seconds",
      "When the newest turn began.",
      each(({ started }) => started / 1000),
    ),
    gauge(
      "odmr_last_turn_failed",
      "1 if the newest turn failed.",
      each(({ state }) => Number(state === "failed")),
    ),
    gauge(
      "odmr_turn_running",
      "1 if the newest turn is under way.",
      each(({ state }) => Number(state === "running")),
    ),
  ];
}

function ofCommits({ buckets, count, seconds }: CommitTimes): Metric {
  return {
    name: "odmr_commit_duration_seconds",
    type: "histogram",
    help: "How long commits of this process took.",
    samples: [
      ...buckets.map(({ most, count }) => ({
        suffix: "_bucket",
        labels: { le: String(most) },
        value: count,
      })),
      { suffix: "_bucket", labels: { le: "+Inf" }, value: count },
      { suffix: "_sum", value: seconds },
      { suffix: "_count", value: count },
    ],
  };
}

function ofProcess({ cpuSeconds, residentBytes, started }: ProcessFacts): readonly Metric[] {
  return [
    counter("process_cpu_seconds_total", "Processor time used.", [{ value: cpuSeconds }]),
    gauge("process_resident_memory_bytes", "Memory in use.", [{ value: residentBytes }]),
    gauge("process_start_time_seconds", "When the process began.", [{ value: started }]),
  ];
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, type: "gauge", help, samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, type: "counter", help, samples };
}

function textOf({ name, type, help, samples }: Metric): string {
  const lines = samples.map(
    ({ suffix = "", labels, value }) => `${name}${suffix}${labels ? labelsOf(labels) : ""} ${value}`,
  );
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
}

function labelsOf(labels: Labels): string {
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(",")}}`;
}

const escaped = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
