/** Log lines on stderr, for people (text) and for programs (json). */
// Outside words come in here (addresses, replies): nothing of them may end a line or move a cursor.

import type { Clock } from "../src/platform/clock.ts";
import type { Fields, Level, Log } from "../src/platform/log.ts";

export interface LogSettings {
  readonly format: "text" | "json";
  /** What is below it is dropped. */
  readonly level: Level;
  readonly clock: Clock;
  readonly write: (line: string) => void;
  /** Text only: the level is coloured. */
  readonly colour?: boolean;
}

export function openLog({ format, level, clock, write, colour = false }: LogSettings): Log {
  const line = format === "json" ? jsonLine : colour ? colourLine : textLine;
  return {
    log: (at, event, fields = {}) => {
      if (rank[at] >= rank[level]) write(`${line(stamp(clock.now()), at, event, fields)}\n`);
    },
  };
}

/** The log that the common flags ask for, on this process's stderr. */
export function logOf(flags: { readonly log: "text" | "json"; readonly logLevel: Level }, clock: Clock): Log {
  return openLog({
    format: flags.log,
    level: flags.logLevel,
    clock,
    write: inOneGo((lines) => void process.stderr.write(lines)),
    colour: process.stderr.isTTY === true && !process.env.NO_COLOR,
  });
}

/** Lines that come in one go are written in one: a commit of fifty messages is one call of the system. */
export function inOneGo(write: (lines: string) => void): (line: string) => void {
  let lines = "";
  const flush = () => {
    const all = lines;
    lines = "";
    if (all !== "") write(all);
  };
  process.on("exit", flush);
  return (line) => {
    if (lines === "") queueMicrotask(flush);
    lines += line;
  };
}

const rank: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const paint: Readonly<Record<Level, number>> = { debug: 2, info: 32, warn: 33, error: 31 };

/** RFC 3339 in UTC, whole seconds: a line says order by its place. */
const stamp = (now: number): string => `${new Date(now).toISOString().slice(0, 19)}Z`;

function textLine(time: string, level: string, event: string, fields: Fields): string {
  const said = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${word(value)}`,
  );
  return [time, level, event, ...said].join(" ");
}

function colourLine(time: string, level: Level, event: string, fields: Fields): string {
  return textLine(time, `\x1b[${paint[level]}m${level}\x1b[0m`, event, fields);
}

function jsonLine(time: string, level: string, event: string, fields: Fields): string {
  return JSON.stringify({ time, level, event, ...fields });
}

const PLAIN = /^[^\s"=\\\p{C}]+$/u;
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Bare if that is unmistakable, else in quotes, with what cannot be seen escaped. */
function word(value: string | number | boolean | readonly string[]): string {
  const text = typeof value === "object" ? value.join(",") : String(value);
  if (PLAIN.test(text)) return text;
  return JSON.stringify(text).replace(HIDDEN, (hidden) => {
    const code = hidden.codePointAt(0) ?? 0;
    return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
