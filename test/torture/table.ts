/** The faults × outcome table: what struck, how often, what came of the mail, and the command that does it again. */
// A cell without a figure is one that nobody looked at.
import { type Column, columns, type Report } from "./job.ts";

/** A job that was run, and with what words it is run again. */
export interface Run {
  readonly how: string;
  readonly report: Report;
}

const names = Object.keys(columns) as readonly Column[];

/** As Markdown. Columns that no row has are left out. */
export function asTable(runs: readonly Run[]): string {
  const rows = rowsOf(runs);
  const shown = names.filter((name) => rows.some(({ counts }) => counts[name] !== undefined));
  const heads = ["fault", ...shown.map((name) => columns[name]), "again: `npm run torture -- …`"];
  const cells = rows.map(({ fault, counts, how }) => [
    fault,
    ...shown.map((name) => counts[name]?.toLocaleString("en-US") ?? ""),
    `\`${how}\``,
  ]);
  const rule = heads.map((_, i) => (i > 0 && i <= shown.length ? "--:" : "---"));
  return [heads, rule, ...cells].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** As JSON Lines, one object a row. */
export const asLines = (runs: readonly Run[]): string =>
  rowsOf(runs)
    .map(({ fault, counts, how }) => JSON.stringify({ fault, ...counts, again: `npm run torture -- ${how}` }))
    .join("\n");

const rowsOf = (runs: readonly Run[]) =>
  runs.flatMap(({ how, report }) =>
    Object.entries(report.rows).map(([fault, counts]) => ({ fault, counts, how })),
  );
