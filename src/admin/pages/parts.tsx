/** The small parts that all pages are made of. */
// Text goes in as text and comes out as text: nothing here takes markup from outside.
/** @jsxImportSource hono/jsx */
import type { Child } from "hono/jsx";
import type { EntryJson } from "../schema.ts";
import { date, fromNow, hour, span } from "./words.ts";

type State = EntryJson["state"];

/** A state, like a rubber stamp. */
export function Stamp({ state }: { readonly state: State | "running" | "done" | "failed" | "late" }) {
  return <span class={`stamp stamp-${state}`}>{stampWords[state] ?? state}</span>;
}

/** "leased" is the spool's word; the post office's is that it is under way. */
const stampWords: Readonly<Record<string, string>> = { leased: "on the line", running: "on the line" };

/** A moment: "3 hours ago", with the date for those who ask. */
export function When({ at, now }: { readonly at: string | number; readonly now: number }) {
  const instant = new Date(at).getTime();
  return (
    <time datetime={new Date(instant).toISOString()} title={date(instant)}>
      {fromNow(instant, now)}
    </time>
  );
}

/** How long something has been. */
export function Since({ at, now }: { readonly at: string; readonly now: number }) {
  const instant = new Date(at).getTime();
  return (
    <time datetime={at} title={date(instant)}>
      {span(now - instant)}
    </time>
  );
}

/** An hour of the day; the script turns it into the reader's own. */
export function Hour({ at }: { readonly at: number }) {
  return (
    <time datetime={new Date(at).toISOString()} data-hour>
      {hour(at)}
    </time>
  );
}

export interface BarProps {
  /** From 0 to 1; more is shown as full. */
  readonly part: number;
  readonly label: string;
  readonly tone?: "calm" | "warn" | "full";
}

/** How full something is. */
export function Bar({ part, label, tone = "calm" }: BarProps) {
  const width = `${Math.max(0, Math.min(1, part)) * 100}%`;
  return (
    <svg class={`bar bar-${tone}`} role="img" aria-label={label}>
      <title>{label}</title>
      <rect class="bar-all" width="100%" height="100%" rx="3" />
      <rect class="bar-part" width={width} height="100%" rx="3" />
    </svg>
  );
}

/** How much of what it may be something is; near the end it says so by its colour too. */
export function Share({ part, of }: { readonly part: number; readonly of: string }) {
  return (
    <Bar
      part={part}
      label={`${percent(part)} of ${of}`}
      tone={part > 0.95 ? "full" : part > 0.75 ? "warn" : "calm"}
    />
  );
}

export const percent = (part: number): string => `${Math.floor(part * 100)} %`;

/** Nothing to show, and why that is fine. */
export function Empty({ title, children }: { readonly title: string; readonly children?: Child }) {
  return (
    <div class="empty">
      <Icon name="postmark" />
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

export interface TableProps {
  readonly caption: string;
  readonly class?: string;
  readonly columns: readonly Column[];
  readonly children: Child;
}

export interface Column {
  readonly name: string;
  /** For those who see, nothing. */
  readonly quiet?: boolean;
  readonly number?: boolean;
}

/** A table that becomes cards on a narrow screen: each cell says its column by data-label. */
export function Table({ caption, columns, children, ...props }: TableProps) {
  return (
    <table class={`table ${props.class ?? ""}`}>
      <caption class="quiet">{caption}</caption>
      <thead>
        <tr>
          {columns.map(({ name, quiet, number }) => (
            <th scope="col" class={number ? "number" : undefined}>
              {quiet ? <span class="quiet">{name}</span> : name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

/** The token that makes a form ours. */
export function FormToken({ token }: { readonly token: string }) {
  return <input type="hidden" name="token" value={token} />;
}

/** Forward and back through a list. */
export function Pager({
  first,
  next,
  label,
}: {
  readonly first?: string;
  readonly next?: string;
  readonly label: string;
}) {
  if (first === undefined && next === undefined) return null;
  return (
    <nav class="pager" aria-label={label}>
      {first && <a href={first}>← First page</a>}
      {next && (
        <a href={next} rel="next">
          Next page →
        </a>
      )}
    </nav>
  );
}

const icons = {
  overview: "M4 20V10m5.3 10V4m5.4 16v-7M20 20V8",
  queue: "M3 6h18v12H3zM3 7l9 7 9-7",
  customers: "M4 20v-9l8-6 8 6v9zM9 20v-6h6v6",
  turns: "M4 8h14l-3-3m5 11H6l3 3",
  rules: "M8 4v16M16 4v16",
  postmark:
    "M9 4a8 8 0 1 0 0 16A8 8 0 1 0 9 4M9 7.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 1 0 0-9M16 9q1.500-1 3 0t3 0M17 12q1.500-1 3 0t3 0M16 15q1.500-1 3 0t3 0",
  leave: "M14 4H5v16h9M10 12h11m-4-4 4 4-4 4",
} as const;

export type IconName = keyof typeof icons;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={icons[name]} />
    </svg>
  );
}
