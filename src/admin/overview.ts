/** What the API and the dashboard show: questions to the spool and to the customers, answered in the API's JSON. */
// Nothing is counted or filtered here: the spool does that, in one place for all who ask.
import type { Clock } from "../platform/clock.ts";
import type { Customer } from "../relay/customers.ts";
import type { PageOf, Place, RecordingSpool, TurnFilter } from "../spool/records.ts";
import type { Filter, MessageId } from "../spool/spool.ts";
import { version } from "../version.ts";
import type {
  BucketJson,
  CustomerJson,
  EntryJson,
  EventJson,
  RuleJson,
  StatsJson,
  TurnJson,
} from "./schema.ts";
import {
  bucketJson,
  customerJson,
  entryJson,
  eventJson,
  laneJson,
  nodeJson,
  ruleJson,
  time,
  turnJson,
} from "./shapes.ts";

export interface OverviewSources {
  readonly spool: RecordingSpool;
  /** The customers of the configuration as they are now. */
  readonly customers: () => Iterable<Customer>;
  readonly clock: Clock;
}

/** A page as the API gives it. */
export interface JsonPage<T> {
  readonly items: T[];
  readonly next: string | null;
}

/** One entry's history is shown up to here. */
const HISTORY_MOST = 1000;

export class Overview {
  readonly #sources: OverviewSources;

  constructor(sources: OverviewSources) {
    this.#sources = sources;
  }

  async stats(): Promise<StatsJson> {
    const { spool, clock } = this.#sources;
    const [lanes, nodes, { events, octets }] = await Promise.all([
      spool.records.lanes(),
      spool.records.nodes(),
      spool.records.totals(),
    ]);
    const sum = (of: "count" | "octets") => lanes.reduce((all, lane) => all + lane[of], 0);
    return {
      spool: spool.id,
      version,
      at: time(clock.now()),
      entries: sum("count"),
      octets: sum("octets"),
      lanes: lanes.map(laneJson),
      nodes: nodes.map(nodeJson),
      totals: { ...events, octets },
    };
  }

  /** Those of the configuration in its order, then those for whom mail waits although it does not name them. */
  async customers(): Promise<CustomerJson[]> {
    const { spool, customers } = this.#sources;
    const [allLanes, turns] = await Promise.all([spool.records.lanes(), spool.records.lastTurns()]);
    const lanes = new Map(
      allLanes.filter(({ direction }) => direction === "turn").map((lane) => [lane.customer, lane]),
    );
    const lastTurns = new Map(
      turns.filter(({ side }) => side === "provider").map((turn) => [turn.customer, turn]),
    );
    const known = new Map([...customers()].map((customer) => [customer.name, customer]));
    const unknown = [...lanes].flatMap(([name, { count }]) => (count > 0 && !known.has(name) ? [name] : []));
    return [...known.keys(), ...unknown].map((name) =>
      customerJson(name, known.get(name), lanes.get(name), lastTurns.get(name)),
    );
  }

  async queue(filter: Filter, place: Place): Promise<JsonPage<EntryJson>> {
    return jsonPage(await this.#sources.spool.records.page(filter, place), entryJson);
  }

  /** One entry, also one that has left. */
  async entry(id: MessageId): Promise<EntryJson | undefined> {
    const { items } = await this.queue({ ids: [id], gone: true }, { limit: 1 });
    return items[0];
  }

  /** What happened to an entry, oldest first. */
  async history(id: MessageId): Promise<JsonPage<EventJson>> {
    return await this.events([id.toLowerCase()], { limit: HISTORY_MOST });
  }

  /** The last changes, newest first. */
  async latest(limit: number): Promise<JsonPage<EventJson>> {
    const items = await this.#sources.spool.records.latest(limit);
    return { items: items.map(eventJson), next: null };
  }

  async events(ids: readonly MessageId[] | undefined, place: Place): Promise<JsonPage<EventJson>> {
    return jsonPage(await this.#sources.spool.records.historyPage(ids, place), eventJson);
  }

  /** Newest first; `next` is the last one's id. */
  async turns(filter: TurnFilter): Promise<JsonPage<TurnJson>> {
    const turns = await this.#sources.spool.records.turns(filter);
    const last = turns.length < filter.limit ? undefined : turns.at(-1)?.id;
    return { items: turns.map(turnJson), next: last ?? null };
  }

  /** What happened over the last `milliseconds`, in buckets that begin at whole multiples of their length. */
  async series(milliseconds: number, bucket: number): Promise<BucketJson[]> {
    const { spool, clock } = this.#sources;
    const to = (Math.floor(clock.now() / bucket) + 1) * bucket;
    const buckets = Math.ceil(milliseconds / bucket);
    return (await spool.records.series(to - buckets * bucket, to, bucket)).map(bucketJson);
  }

  async rules(): Promise<RuleJson[]> {
    return (await this.#sources.spool.records.holdRules()).map(ruleJson);
  }
}

function jsonPage<T, J>({ items, next }: PageOf<T>, json: (item: T) => J): JsonPage<J> {
  return { items: items.map(json), next: next ?? null };
}
