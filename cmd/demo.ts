#!/usr/bin/env bun
/** The demonstration: a relay and a house on this computer, real mail through both, and every octet compared. */
// `--once` ends with the table; without it the relay stays up to be played with. Either way nothing is left behind.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, run, type Serving, serve } from "./demo/child.ts";
import { compare, type Verdict } from "./demo/compare.ts";
import { type Letter, letters, type Source } from "./demo/letters.ts";
import { makePlace, type Place } from "./demo/place.ts";
import { type Screen, screenOn } from "./demo/screen.ts";
import { send } from "./demo/send.ts";
import { suggestions } from "./demo/suggestions.ts";

const USAGE = "Usage: npm start [-- --once]\n\n  --once  show it, and end\n";
/** SMTP sessions that bring the mail. */
const SESSIONS = 6;

/** What the house says of its errand (`odmr pull --json`). */
interface Pulled {
  readonly messages: number;
  readonly delivered: number;
}

interface Shown {
  readonly place: Place;
  readonly relay: Serving;
  readonly right: boolean;
}

async function show(folder: string, screen: Screen, children: Child[]): Promise<Shown> {
  const source = await letters(process.env);
  screen.title("odmr", `a relay and a house on this computer, and ${source.letters.length} messages`);
  const place = await screen.stage("set up", async () => {
    const made = await makePlace(folder);
    return [made, "two configurations, a certificate and a password"];
  });
  const relay = await screen.stage("relay", async () => {
    const serving = await serve(place.relay, { doors: 2, log: join(folder, "relay.log") });
    children.push(serving);
    const { intake, odmr } = serving.doors;
    return [serving, `odmr serve takes mail at ${intake} and calls at ${odmr}`];
  });
  const posted = await screen.stage("sent", async (say) => {
    const sent = await send(source.letters, { port: place.ports.intake, sessions: SESSIONS }, say);
    return [sent, `${sent.size} messages taken in over ${SESSIONS} SMTP sessions`];
  });
  const held = await screen.stage("held", async () => {
    const count = await counted(place);
    return [count, `odmr queue count says that ${count} wait for the house to call`];
  });
  const pulled = await screen.stage("turned", async () => {
    const report = await pull(place);
    return [report, `odmr pull called, the line turned, ${report.messages} came into the Maildirs`];
  });
  const left = await counted(place);
  const verdict = await screen.stage("compared", async () => {
    const found = await compare(place.mail, posted);
    return [found, `${found.identical} are what was sent, octet for octet`];
  });
  const right = isRight({ source, held, left, pulled, verdict });
  screen.table(rowsOf(source, held, pulled, verdict));
  for (const line of complaints(source, posted, left, verdict)) screen.complaint(line);
  return { place, relay, right };
}

async function counted({ relay }: Place): Promise<number> {
  const { stdout } = await succeed(["queue", "count", "--config", relay]);
  return Number(stdout);
}

async function pull({ house }: Place): Promise<Pulled> {
  const { stdout } = await succeed(["pull", "--config", house, "--json", "--log-level", "warn"]);
  return JSON.parse(stdout) as Pulled;
}

async function succeed(args: readonly string[]) {
  const ended = await run(args);
  if (ended.status !== 0)
    throw new Error(`odmr ${args.join(" ")} ended with ${ended.status}\n${ended.stderr}`);
  return ended;
}

interface Counts {
  readonly source: Source;
  readonly held: number;
  readonly left: number;
  readonly pulled: Pulled;
  readonly verdict: Verdict;
}

function isRight({ source, held, left, pulled, verdict }: Counts): boolean {
  const all = source.letters.length;
  const counts = [held, pulled.messages, pulled.delivered, verdict.delivered, verdict.identical];
  return (
    counts.every((count) => count === all) && verdict.doubled === 0 && verdict.strange === 0 && left === 0
  );
}

function rowsOf(source: Source, held: number, pulled: Pulled, verdict: Verdict) {
  return {
    source: source.name,
    "messages in": source.letters.length,
    held,
    turned: pulled.messages,
    delivered: verdict.delivered,
    identical: verdict.identical,
    lost: verdict.lost.length,
    doubled: verdict.doubled,
  };
}

/** What is not as it should be, one line each; none if all is well. */
function complaints(
  { letters: all }: Source,
  posted: ReadonlyMap<string, Letter>,
  left: number,
  { lost, changed, doubled, strange }: Verdict,
): readonly string[] {
  const refused = all.length - posted.size;
  return [
    ...(refused > 0 ? [`${refused} were not taken in by the relay; see relay.log`] : []),
    ...(left > 0 ? [`${left} still wait at the relay`] : []),
    ...lost.map((name) => `lost: ${name}`),
    ...changed.map((name) => `not what was sent: ${name}`),
    ...(doubled > 0 ? [`${doubled} came twice`] : []),
    ...(strange > 0 ? [`${strange} files in the Maildirs are none of ours`] : []),
  ];
}

/** Resolves at Ctrl-C and its like; it may come more than once, from the terminal and from npm. */
function untilToldToEnd(): Promise<"ended"> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve("ended"));
  });
}

async function stayUp({ place, relay }: Shown, screen: Screen, told: Promise<"ended">): Promise<boolean> {
  screen.suggest(await suggestions(place));
  const first = await Promise.race([told, relay.ended]);
  if (first === "ended") return true;
  screen.complaint(`the relay ended by itself, with ${first.status}: ${first.stderr.slice(-500)}`);
  return false;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help")) process.stdout.write(USAGE);
  if (args.includes("--help")) return 0;
  const wrong = args.find((arg) => arg !== "--once");
  if (wrong !== undefined) process.stderr.write(`odmr demo: what is ${wrong}?\n${USAGE}`);
  if (wrong !== undefined) return 64;
  const told = untilToldToEnd();
  const screen = screenOn(process.stdout, process.env);
  const folder = await mkdtemp(join(tmpdir(), "odmr-demo-"));
  const children: Child[] = [];
  try {
    const shown = await Promise.race([show(folder, screen, children), told]);
    if (shown === "ended") return 130;
    if (args.includes("--once") || !shown.right) return shown.right ? 0 : 1;
    return (await stayUp(shown, screen, told)) ? 0 : 1;
  } catch (error) {
    screen.complaint(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    screen.end();
    await Promise.all(children.map((child) => child.end("SIGTERM")));
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
