/** Findings as people read them: by group, with a mark each, and what to do under those that ask for it. */
import { dim, left, type Screen, safe, widthOf } from "../table.ts";
import type { Finding } from "./check.ts";

const marks: Readonly<Record<Finding["status"], readonly [mark: string, style: string]>> = {
  ok: ["✓", "32"],
  warn: ["!", "33"],
  fail: ["✗", "31"],
  skipped: ["-", "2"],
};

/** Wider subjects push what stands behind them. */
const WIDE = 44;

/** The findings of one group. */
export function section(findings: readonly Finding[], screen: Screen): string {
  const width = (of: (finding: Finding) => string, most: number): number =>
    Math.max(...findings.map((each) => widthOf(safe(of(each)))).filter((wide) => wide <= most), 0);
  const checks = width(({ check }) => check, WIDE);
  const subjects = width(({ subject }) => subject, WIDE);
  const lines = findings.map(({ status, check, subject, detail, mend }) => {
    const [mark, style] = marks[status];
    const shown = screen.colour ? `\x1b[${style}m${mark}\x1b[0m` : mark;
    const line = `  ${shown} ${left(check, checks)}  ${left(safe(subject), subjects)}  ${safe(detail)}\n`;
    return mend === undefined ? line : `${line}${dim(`      → ${safe(mend)}`, screen)}\n`;
  });
  return `${findings[0]?.group ?? ""}\n${lines.join("")}`;
}

/** How many of each. */
export function summary(findings: readonly Finding[]): string {
  const count = (status: Finding["status"]): number =>
    findings.filter((each) => each.status === status).length;
  return `${count("ok")} fine, ${count("warn")} to look at, ${count("fail")} to mend, ${count("skipped")} not looked at\n`;
}
