/** The dashboard's way to the spool: it asks the admin interface, in this process, as any client would. */
// What the interface checks, it checks for the dashboard too; there is no second way in.
import type {
  BucketJson,
  CustomerJson,
  EntryJson,
  EventJson,
  ProblemJson,
  RuleJson,
  StatsJson,
  TurnJson,
} from "./schema.ts";

/** The admin interface, asked with the token of somebody who has signed in. */
export type Api = (request: Request) => Promise<Response>;

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** What an action on entries did, or would do. */
export interface Acted {
  readonly ids: readonly string[];
  readonly next: string | null;
}

/** An action on what a filter chooses, as POST /api/v1/queue/actions takes it. */
export interface Bulk {
  readonly action: string;
  readonly customer?: string;
  readonly filter: Readonly<Record<string, unknown>>;
  readonly all?: boolean;
  readonly reason: string;
  readonly dryRun?: boolean;
  readonly limit?: number;
  readonly cursor?: string;
}

export type Query = Readonly<Record<string, string | undefined>>;

/** The interface said no. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class Desk {
  readonly #api: Api;
  readonly #origin: string;

  /** @param origin where the interface is reached: it checks whom it is asked for */
  constructor(api: Api, origin: string) {
    this.#api = api;
    this.#origin = origin;
  }

  queue(query: Query): Promise<Page<EntryJson>> {
    return this.#read("queue", query);
  }

  async count(query: Query): Promise<number> {
    return (await this.#read<{ count: number }>("queue/count", query)).count;
  }

  entry(id: string): Promise<EntryJson> {
    return this.#read(`queue/${encodeURIComponent(id)}`);
  }

  historyOf(id: string): Promise<Page<EventJson>> {
    return this.#read(`queue/${encodeURIComponent(id)}/history`);
  }

  /** The last changes, newest first. */
  async latest(limit: number): Promise<readonly EventJson[]> {
    const { items } = await this.#read<Page<EventJson>>("history", { newest: "true", limit: String(limit) });
    return items;
  }

  customers(): Promise<readonly CustomerJson[]> {
    return this.#items("customers");
  }

  turns(query: Query): Promise<Page<TurnJson>> {
    return this.#read("turns", query);
  }

  stats(): Promise<StatsJson> {
    return this.#read("stats");
  }

  series(query: Query): Promise<readonly BucketJson[]> {
    return this.#items("stats/series", query);
  }

  rules(): Promise<readonly RuleJson[]> {
    return this.#items("hold-rules");
  }

  addRule(rule: Readonly<Record<string, unknown>>): Promise<RuleJson> {
    return this.#write("POST", "hold-rules", rule);
  }

  async removeRule(id: string): Promise<void> {
    await this.#ask("DELETE", `hold-rules/${encodeURIComponent(id)}`);
  }

  act(bulk: Bulk): Promise<Acted> {
    return this.#write("POST", "queue/actions", bulk);
  }

  /** The octets of a message; undefined if they have left. */
  async message(id: string): Promise<Response | undefined> {
    try {
      return await this.#ask("GET", `queue/${encodeURIComponent(id)}/message`);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Changes as they happen, until the signal is aborted. */
  events(signal: AbortSignal, lastEventId: string | undefined): Promise<Response> {
    const headers: HeadersInit = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
    return this.#ask("GET", "events", { signal, headers });
  }

  async #items<T>(path: string, query: Query = {}): Promise<readonly T[]> {
    return (await this.#read<{ items: readonly T[] }>(path, query)).items;
  }

  async #read<T>(path: string, query: Query = {}): Promise<T> {
    const given = Object.entries(query).filter((each): each is [string, string] => each[1] !== undefined);
    const response = await this.#ask(
      "GET",
      given.length > 0 ? `${path}?${new URLSearchParams(given)}` : path,
    );
    return (await response.json()) as T;
  }

  async #write<T>(method: string, path: string, body: unknown): Promise<T> {
    const headers = { "content-type": "application/json" };
    const response = await this.#ask(method, path, { headers, body: JSON.stringify(body) });
    return (await response.json()) as T;
  }

  async #ask(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const request = new Request(`${this.#origin}/api/v1/${path}`, { ...init, method });
    const response = await this.#api(request);
    if (response.ok) return response;
    throw new Refused(response.status, await whyOf(response));
  }
}

async function whyOf(response: Response): Promise<string> {
  try {
    const { title, detail, errors = [] } = (await response.json()) as ProblemJson;
    const each = errors.map(({ at, message }) => `${at}: ${message}`).join("; ");
    return [title, detail, each].filter(Boolean).join(" ");
  } catch {
    return `The interface answered ${response.status}.`;
  }
}
