/** Questions to a program that runs, over a socket in the file system: one JSON line asks, JSON lines answer. */
// Whoever may open the socket may ask: it is its owner's alone (0600). The last line is {"end":true}; without it the program died.
import type { Clock } from "../platform/clock.ts";
import { type Connection, ConnectionError } from "./connection.ts";
import { dial } from "./dial.ts";
import { type Listener, listen } from "./listen.ts";

export interface ControlOptions {
  readonly path: string;
  readonly clock: Clock;
  /** What is answered, line by line; a throw becomes {"error":…}. */
  answer(question: unknown): AsyncIterable<unknown>;
  onError(error: unknown): void;
}

/** A question is short; an answer may take as long as a call does. */
const QUESTION_AT_MOST = 65_536;
const QUESTION_WITHIN = 10_000;
const ANSWER_WITHIN = 3_600_000;
const ASKERS = 100;

/** @throws ConnectionError "refused" if another program answers there */
export function openControl({ path, clock, answer, onError }: ControlOptions): Promise<Listener> {
  return listen({
    address: { path, mode: 0o600 },
    clock,
    maxConnections: ASKERS,
    perAddress: ASKERS,
    onConnection: (connection) => serve(connection, answer),
    onError: (error) => onError(error),
  });
}

/** Asks once. @throws ConnectionError "refused" if no program is there, "closed" if it ended before its answer did */
export async function* askControl(
  path: string,
  clock: Clock,
  question: unknown,
): AsyncGenerator<unknown, void, void> {
  const connection = await dial({ host: "localhost", port: 0, socket: path, clock, within: QUESTION_WITHIN });
  try {
    await say(connection, question);
    for await (const text of lines(connection, ANSWER_WITHIN)) {
      const answer: unknown = JSON.parse(text);
      if (isEnd(answer)) return;
      yield answer;
    }
    throw new ConnectionError("closed", "the running program ended before it had answered");
  } finally {
    await connection.close();
  }
}

async function serve(connection: Connection, answer: ControlOptions["answer"]): Promise<void> {
  try {
    for await (const text of lines(connection, QUESTION_WITHIN)) {
      for await (const each of answers(text, answer)) await say(connection, each);
      return await say(connection, { end: true });
    }
  } finally {
    await connection.close();
  }
}

async function* answers(text: string, answer: ControlOptions["answer"]): AsyncGenerator<unknown> {
  try {
    yield* answer(JSON.parse(text));
  } catch (error) {
    yield { error: error instanceof Error ? error.message : String(error) };
  }
}

const say = (connection: Connection, what: unknown): Promise<void> =>
  connection.write(new TextEncoder().encode(`${JSON.stringify(what)}\n`), QUESTION_WITHIN);

async function* lines(connection: Connection, within: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let unread = "";
  for (;;) {
    const bytes = await connection.read(within);
    if (bytes === undefined) return;
    unread += decoder.decode(bytes, { stream: true });
    for (let end = unread.indexOf("\n"); end >= 0; end = unread.indexOf("\n")) {
      yield unread.slice(0, end);
      unread = unread.slice(end + 1);
    }
    if (unread.length > QUESTION_AT_MOST) throw new ConnectionError("closed", "a line without end");
  }
}

const isEnd = (answer: unknown): boolean => typeof answer === "object" && answer !== null && "end" in answer;
