/** The store on PostgreSQL: a batch of operations is one transaction, its operations of one kind are few statements. */
// A transaction that certainly was not committed is done again; one whose answer was lost leaves a mark if it was committed,
// and the second try finds it. So nothing is done twice, and no 250 is in doubt.
import { type Clock, pause } from "../../platform/clock.ts";
import { reads } from "../reads.ts";
import { type Lane, SpoolError, type SpoolFault } from "../spool.ts";
import type { Answer, Answers, LaneUsage, Operation, Store } from "../store.ts";
import { type Act, acts } from "./acts.ts";
import type { Connection } from "./connection.ts";
import { faultOf, PostgresFault } from "./fault.ts";
import type { Lanes } from "./lanes.ts";
import type { Redial } from "./redial.ts";
import type { Value } from "./rows.ts";
import { Overtaken, type Transaction } from "./transaction.ts";
import { Work } from "./work.ts";

/** How long a group is tried while there is no database, and one whose answer was lost; then its peers are told 451. */
const PATIENCE = 8_000;
const DOUBT = 60_000;
/** After that much silence a connection counts as lost. */
const SILENCE = 30_000;
/** How often a transaction gives way to others. */
const TRIES = 30;
const BETWEEN = 200;

export interface PostgresStoreOptions {
  readonly line: Redial;
  readonly lanes: Lanes;
  readonly clock: Clock;
  /** What other nodes know this one's leases by. */
  readonly node: string;
  readonly newId: () => string;
  /** The node's slot of counters, and why it may not go on. */
  readonly standing: () => { readonly slot: number; readonly barred: SpoolError | undefined };
  /** Told after a commit that others may be waiting for. */
  readonly committed: () => void;
}

/** A group's way through its attempts. */
interface Journey {
  readonly batch: readonly Operation[];
  readonly looks: boolean;
  /** The row that says that it was committed. */
  readonly mark: string;
  /** What it answered in an attempt whose end is not known. */
  doubtful: Answers | undefined;
}

/** A connection while one attempt uses it. Whatever still runs after its end must not send: it would be outside of it. */
interface Attempt {
  readonly connection: Connection;
  over: boolean;
  /** Objects that its rows named until now. */
  readonly freed: string[];
}

export class PostgresStore implements Store {
  readonly #options: PostgresStoreOptions;
  /** The last group found no database: the next one is not waited for so long. */
  #down = false;

  constructor(options: PostgresStoreOptions) {
    this.#options = options;
  }

  async call(batch: readonly Operation[]): Promise<Answers> {
    try {
      return await this.#through(batch);
    } catch (error) {
      const { fault, message } = told(error);
      // One of them may be what the database does not take; the others need not suffer.
      if (batch.length > 1 && fault !== "busy" && fault !== "version")
        return joined(await inTurn(batch, (one) => this.call([one])));
      return { answers: batch.map((): Answer => ({ fault, message })), usage: [], freed: [] };
    }
  }

  async close(): Promise<void> {
    await this.#options.line.close();
  }

  /** @throws SpoolError */
  async #through(batch: readonly Operation[]): Promise<Answers> {
    const { clock, newId, standing } = this.#options;
    const looks = batch.every(({ name }) => reads.has(name));
    const journey: Journey = { batch, looks, mark: looks ? "" : newId(), doubtful: undefined };
    const begun = clock.steady();
    for (let tries = 1; ; tries++) {
      const { barred } = standing();
      if (barred !== undefined) throw barred;
      try {
        const answers = await this.#attempt(journey);
        this.#down = false;
        return answers;
      } catch (error) {
        if (error instanceof SpoolError) throw error;
        const again = error instanceof Overtaken || faultOf(error).trouble === "again";
        if (again && tries < TRIES) continue;
        const { trouble, message } = faultOf(error);
        if (trouble !== "lost")
          throw new SpoolError(again ? "busy" : trouble === "again" ? "busy" : trouble, message, {
            cause: error,
          });
        const waited = clock.steady() - begun;
        if (waited > (journey.doubtful !== undefined ? DOUBT : this.#down ? 0 : PATIENCE)) {
          this.#down = true;
          throw new SpoolError("busy", message, { cause: error });
        }
        await pause(clock, BETWEEN);
      }
    }
  }

  async #attempt(journey: Journey): Promise<Answers> {
    const { line, clock, lanes } = this.#options;
    const connection = await line.connection();
    const attempt: Attempt = { connection, over: false, freed: [] };
    const silence = clock.after(SILENCE, () => connection.end());
    try {
      await lanes.know(connection, journey.batch);
      return journey.looks ? await this.#look(attempt, journey) : await this.#change(attempt, journey);
    } catch (error) {
      attempt.over = true;
      if (!connection.gone) await connection.all("ROLLBACK").catch(() => connection.end());
      throw error;
    } finally {
      silence.stop();
    }
  }

  /** All questions of a batch are of one moment. */
  async #look(attempt: Attempt, { batch }: Journey): Promise<Answers> {
    const { connection } = attempt;
    const begun = connection.all("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    const work = new Work();
    const [answers] = await Promise.all([this.#perform(attempt, batch, work), begun]);
    const usage = await this.#news(connection, batch);
    await connection.all("COMMIT");
    return { answers, usage, freed: [] };
  }

  async #change(attempt: Attempt, journey: Journey): Promise<Answers> {
    const { connection } = attempt;
    const { batch, mark } = journey;
    const [, marked, ...stock] = await Promise.all([
      connection.all("BEGIN"),
      connection.all("INSERT INTO mark (id) VALUES ($1::text::uuid) ON CONFLICT DO NOTHING RETURNING id", [
        mark,
      ]),
      ...numbersFor(batch, connection),
    ]);
    if (marked.length === 0 && journey.doubtful !== undefined) {
      await connection.all("ROLLBACK");
      return journey.doubtful;
    }
    journey.doubtful = undefined;
    const work = new Work();
    const answers = await this.#perform(attempt, batch, work, stock.flat());
    const usage = [
      ...(await work.post(this.#transaction(attempt))),
      ...(await this.#news(connection, batch)),
    ];
    const done = { answers, usage, freed: attempt.freed };
    journey.doubtful = done;
    await connection.all("COMMIT");
    if (work.news) this.#options.committed();
    return done;
  }

  /** Operations of one kind together, in the order in which each kind came first. */
  async #perform(
    attempt: Attempt,
    batch: readonly Operation[],
    work: Work,
    stock: readonly { readonly n: number }[] = [],
  ): Promise<readonly Answer[]> {
    const db = this.#transaction(
      attempt,
      stock.map(({ n }) => n),
    );
    const answers: Answer[] = [];
    for (const [name, places] of Map.groupBy(batch.keys(), (i) => batch[i]?.name)) {
      if (name === undefined) continue;
      const inputs = places.map((i) => batch[i]?.input);
      const values = await (acts[name] as Act)(db, inputs, work);
      places.forEach((i, k) => {
        answers[i] = { value: values[k] as never };
      });
    }
    return answers;
  }

  /** What other nodes have changed, for whoever asks; and all there is, at first. */
  async #news(connection: Connection, batch: readonly Operation[]): Promise<readonly LaneUsage[]> {
    const { lanes } = this.#options;
    return lanes.fresh || batch.some(({ name }) => name === "look") ? await lanes.news(connection) : [];
  }

  #transaction(attempt: Attempt, stock: number[] = []): Transaction {
    const { lanes, node, standing } = this.#options;
    const all = async <Row extends object>(sql: string, ...values: readonly Value[]) => {
      if (attempt.over) throw new PostgresFault("again", "the transaction has ended");
      return await attempt.connection.all<Row>(sql, values);
    };
    return {
      all,
      get: async <Row extends object>(sql: string, ...values: readonly Value[]) =>
        (await all<Row>(sql, ...values))[0],
      numbers: async (count) => {
        const more = count - stock.length;
        if (more > 0) stock.push(...(await all<{ n: number }>(NUMBERS, more)).map(({ n }) => n));
        return stock.splice(0, count);
      },
      laneOf: (lane: Lane) => lanes.of(lane),
      lanes: () => lanes.all,
      holder: (holder) => `${node}/${holder}`,
      slot: standing().slot,
      free: (name) => attempt.freed.push(name),
    };
  }
}

const NUMBERS = "SELECT nextval('number') AS n FROM generate_series(1, $1::bigint)";

/** Those that the batch certainly needs are asked for with its beginning. */
function numbersFor(batch: readonly Operation[], connection: Connection) {
  let count = 0;
  for (const { name, input } of batch) if (name === "accept") count += 1 + input.postings.length;
  return count === 0 ? [] : [connection.all<{ n: number }>(NUMBERS, [count])];
}

async function inTurn<T>(
  batch: readonly Operation[],
  run: (one: Operation) => Promise<T>,
): Promise<readonly T[]> {
  const done: T[] = [];
  for (const one of batch) done.push(await run(one));
  return done;
}

function joined(parts: readonly Answers[]): Answers {
  return {
    answers: parts.flatMap(({ answers }) => answers),
    usage: parts.flatMap(({ usage }) => usage),
    freed: parts.flatMap(({ freed }) => freed),
  };
}

function told(error: unknown): { readonly fault: SpoolFault; readonly message: string } {
  const message = error instanceof Error ? error.message : String(error);
  return { fault: error instanceof SpoolError ? error.fault : "io", message };
}
