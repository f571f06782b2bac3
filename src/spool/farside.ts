/** The other end of a queue from afar: asked over HTTP, with the token, and not for longer than patience lasts. */
// The token goes to the named host alone: no redirect is followed.
import type { Clock } from "../platform/clock.ts";
import { SpoolError, type SpoolFault } from "./spool.ts";

export interface RemoteOptions {
  /** `https://relay.example.net:8366/`; a path before the interface's own is kept. */
  readonly url: URL;
  readonly token: string | undefined;
  readonly clock: Clock;
  readonly fetch: (request: Request) => Promise<Response>;
}

/** How long an answer may be awaited; a message's octets may take longer. */
const PATIENCE = 60_000;

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

export class FarSide {
  readonly #options: RemoteOptions;

  constructor(options: RemoteOptions) {
    this.#options = options;
  }

  /**
   * The answer, also a refusal.
   * @param body an object goes as JSON; octets go as a message, for which there is time as long as it moves
   * @throws SpoolError unreachable
   */
  async fetch(method: string, path: string, query: Query = {}, body?: object | Octets): Promise<Response> {
    const { url, token, clock, fetch } = this.#options;
    const patience = new Patience(clock);
    try {
      return await fetch(
        new Request(addressOf(url, path, query), {
          ...{ method, redirect: "manual", signal: patience.signal },
          ...(body !== undefined && sent(body, patience)),
          headers: {
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
            ...(body !== undefined && {
              "content-type": isOctets(body) ? "message/rfc822" : "application/json",
            }),
          },
        }),
      );
    } catch (error) {
      throw unreachable(url, patience.signal.aborted ? "it does not answer" : reasonOf(error), error);
    } finally {
      patience.end();
    }
  }

  /** What an answer says, as JSON. @throws SpoolError unless it went well */
  async json(response: Response): Promise<unknown> {
    await refuse(response);
    try {
      return await response.json();
    } catch (error) {
      throw new SpoolError("protocol", `${this.#options.url.host} does not answer as an odmr does`, {
        cause: error,
      });
    }
  }

  /** The lines of an answer, as they come. @throws SpoolError if it is cut */
  async *lines(response: Response): AsyncGenerator<string> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const piece of response.body ?? []) {
        const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        yield* lines;
      }
    } catch (error) {
      throw unreachable(this.#options.url, reasonOf(error), error);
    }
  }
}

/** Gives up what has not moved for a while. */
class Patience {
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  #timer: ReturnType<Clock["after"]>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#timer = this.#begin();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Something moved. */
  renew(): void {
    this.#timer.stop();
    this.#timer = this.#begin();
  }

  end(): void {
    this.#timer.stop();
  }

  #begin(): ReturnType<Clock["after"]> {
    return this.#clock.after(PATIENCE, () => this.#abort.abort());
  }
}

type Octets = AsyncIterable<Uint8Array>;

const isOctets = (body: object): body is Octets => Symbol.asyncIterator in body;

function sent(body: object | Octets, patience: Patience): RequestInit & { readonly duplex?: "half" } {
  if (!isOctets(body)) return { body: JSON.stringify(body) };
  const pieces = body[Symbol.asyncIterator]();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      patience.renew();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await pieces.return?.();
    },
  });
  return { body: stream, duplex: "half" };
}

function addressOf(url: URL, path: string, query: Query): URL {
  const address = new URL(`${url.pathname.replace(/\/*$/, "/")}api/v1/${path}`, url);
  for (const [name, value] of Object.entries(query))
    for (const each of value === undefined ? [] : [value].flat()) address.searchParams.append(name, each);
  return address;
}

const unreachable = ({ origin }: URL, why: string, cause: unknown): SpoolError =>
  new SpoolError("unreachable", `cannot reach ${origin}: ${why}`, { cause });

/** What each refusal means; other 4xx are trouble with what was asked. */
const faults: Readonly<Record<number, SpoolFault>> = {
  401: "denied",
  403: "denied",
  404: "protocol",
  408: "busy",
  429: "busy",
};

/** @throws SpoolError unless it went well */
export async function refuse(response: Response): Promise<void> {
  if (response.ok) return;
  const fault = response.status >= 500 ? "busy" : response.status < 400 ? "protocol" : undefined;
  throw new SpoolError(fault ?? faults[response.status] ?? "request", await problemIn(response));
}

/** RFC 9457: title and detail; else the status alone. */
async function problemIn(response: Response): Promise<string> {
  const status = `the admin interface answers ${response.status}`;
  try {
    const { title, detail, errors } = recordIn(await response.json());
    const wrong = Array.isArray(errors) ? errors.map((each) => Object.values(each).join(": ")) : [];
    const said = [title, detail, ...wrong].filter((word) => typeof word === "string" && word !== "");
    return [status, ...said].join(": ").replace(/\p{C}+/gu, " ");
  } catch {
    return status;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

export function recordIn(answer: unknown): Readonly<Record<string, unknown>> {
  return typeof answer === "object" && answer !== null ? { ...answer } : {};
}
