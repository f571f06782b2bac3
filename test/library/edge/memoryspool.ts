/** A spool in memory, as one could have it at the edge: enough of it for the admin interface, and no promise of a disk's. */
import type {
  Acceptance,
  Action,
  Actor,
  Committed,
  Draft,
  Entry,
  Filter,
  HoldRule,
  MessageId,
  Place,
  RecordingSpool,
  Records,
  SpoolEvent,
} from "../../../src/library/spool.ts";

interface Kept {
  readonly entry: Entry;
  readonly octets: readonly Uint8Array[];
}

const NOTHING = { done: 0, failed: 0 };

export class MemorySpool implements RecordingSpool {
  readonly id = "01900000-0000-7000-8000-00000000beef";
  readonly records: Records;
  readonly #kept = new Map<MessageId, Kept>();
  readonly #events: SpoolEvent[] = [];
  readonly #rules: HoldRule[] = [];
  readonly #now: () => number;
  #made = 0;

  constructor(now: () => number) {
    this.#now = now;
    this.records = this.#records();
  }

  begin(acceptance: Acceptance): Draft {
    const pieces: Uint8Array[] = [];
    const ids = acceptance.postings.map(() => this.#newId());
    return {
      ids,
      write: (bytes) => void pieces.push(bytes),
      content: () => pieces,
      commit: async ({ subject = "" }): Promise<Committed> => {
        acceptance.postings.forEach((_, i) => {
          this.#accept(acceptance, i, { id: ids[i]!, subject, pieces });
        });
        return { type: "stored", ids };
      },
      discard: async () => {},
    };
  }

  async *list(filter: Filter): AsyncGenerator<Entry> {
    yield* this.#chosen(filter);
  }
  async count(filter: Filter): Promise<number> {
    return this.#chosen(filter).length;
  }
  async content(id: MessageId): Promise<AsyncIterable<Uint8Array> | undefined> {
    const kept = this.#kept.get(id);
    return kept && iterate(kept.octets);
  }
  act(action: Action, filter: Filter, by: Actor, dry?: "dry"): AsyncIterable<MessageId> {
    return iterate(this.#act(action, filter, by, dry));
  }
  history(): AsyncIterable<SpoolEvent> {
    return iterate(this.#events);
  }
  async close(): Promise<void> {}

  // What turns and deliveries ask: nobody does here.
  async claim(): Promise<"empty"> {
    return "empty";
  }
  async soonest(): Promise<undefined> {}
  onChange(): () => void {
    return () => {};
  }
  usage() {
    return { count: this.#kept.size, octets: 0 };
  }
  async expire(): Promise<readonly MessageId[]> {
    return [];
  }
  async prune(): Promise<void> {}
  lanes() {
    return [];
  }
  async owed() {
    return [];
  }
  async ageing() {
    return [];
  }
  async forgive(): Promise<void> {}

  #newId(): MessageId {
    return `01900000-0000-7000-8000-${String(++this.#made).padStart(12, "0")}`;
  }

  #accept(
    { envelope, postings, source, arrived, trace }: Acceptance,
    i: number,
    { id, subject, pieces }: { id: MessageId; subject: string; pieces: readonly Uint8Array[] },
  ): void {
    const posting = postings[i]!;
    const octets = [new TextEncoder().encode(trace(id, posting)), ...pieces];
    const entry: Entry = {
      ...{ id, ...posting.lane, state: "waiting", sender: envelope.from, arrived, expires: posting.expires },
      recipients: posting.recipients.map(({ address }) => ({ address, state: "waiting", attempts: 0 })),
      ...{ size: octets.reduce((sum, { length }) => sum + length, 0), subject, source },
    };
    this.#kept.set(id, { entry, octets });
    this.#note("accepted", id, { name: "edge", reason: "" });
  }

  #note(what: SpoolEvent["what"], id: MessageId, { name: actor, reason }: Actor): void {
    this.#events.push({ at: this.#now(), id, what, actor, reason });
  }

  #chosen({ ids, customer, state }: Filter): readonly Entry[] {
    return [...this.#kept.values()]
      .map(({ entry }) => entry)
      .filter((entry) => ids?.includes(entry.id) ?? true)
      .filter((entry) => (customer ?? entry.customer) === entry.customer)
      .filter((entry) => (state ?? entry.state) === entry.state);
  }

  #act(action: Action, filter: Filter, by: Actor, dry?: "dry"): readonly MessageId[] {
    const chosen = this.#chosen(filter);
    if (dry === undefined) for (const entry of chosen) this.#change(entry, action, by);
    return chosen.map(({ id }) => id);
  }

  #change(entry: Entry, { type }: Action, by: Actor): void {
    const { octets } = this.#kept.get(entry.id)!;
    if (type === "hold") {
      const recipients = entry.recipients.map((each) => ({ ...each, state: "held" as const }));
      this.#kept.set(entry.id, { entry: { ...entry, state: "held", recipients }, octets });
      this.#note("held", entry.id, by);
    } else if (type === "remove") {
      this.#kept.delete(entry.id);
      this.#note("removed", entry.id, by);
    } else throw new Error(`${type} is nothing that this spool can`);
  }

  #records(): Records {
    const sizes = () => [...this.#kept.values()].reduce((sum, { entry }) => sum + entry.size, 0);
    return {
      turn: () => ({ progress: () => {}, end: async () => {} }),
      turns: async () => [],
      lastTurns: async () => [],
      watch: () => iterate([]),
      series: async () => [],
      lanes: async () => {
        const lane = { direction: "turn", customer: "home", held: 0, leased: 0 } as const;
        return [{ ...lane, count: this.#kept.size, octets: sizes() }];
      },
      totals: async () => ({
        events: { accepted: this.#made },
        octets: sizes(),
        turns: { provider: NOTHING, customer: NOTHING },
      }),
      commits: () => ({ count: 0, seconds: 0, buckets: [] }),
      nodes: async () => [],
      holdRules: async () => this.#rules,
      addHoldRule: async (rule) => {
        const made: HoldRule = { ...rule, id: this.#newId(), made: this.#now() };
        this.#rules.push(made);
        return made;
      },
      removeHoldRule: async () => false,
      page: async (filter: Filter, { limit }: Place) => ({ items: this.#chosen(filter).slice(0, limit) }),
      actPage: async (action, filter, by, _, dry) => ({ items: this.#act(action, filter, by, dry) }),
      latest: async (limit) => this.#events.slice(-limit).reverse(),
      historyPage: async (ids) => ({ items: this.#events.filter(({ id }) => ids?.includes(id) ?? true) }),
    };
  }
}

async function* iterate<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}
