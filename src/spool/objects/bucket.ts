/** A bucket of an S3-compatible store: objects in whole or in parts in, ranges out. */
// Each request may be made twice and does the same: one whose answer was lost is made again. A request ends within a minute.
import { type Clock, pause } from "../../platform/clock.ts";
import { sha256 } from "../../platform/hash.ts";
import { SpoolError, type SpoolFault } from "../spool.ts";
import type { Credentials } from "./credentials.ts";
import type { ObjectPlace } from "./place.ts";

/** How long a store that is away is waited for; one that was away before, not at all. */
const PATIENCE = 8_000;
const BETWEEN = 200;
/** A request that takes longer is broken off: a part needs 90 kB/s. */
const DEADLINE = 60_000;

export interface BucketOptions {
  readonly place: ObjectPlace;
  readonly clock: Clock;
  readonly credentials: () => Promise<Credentials>;
  readonly fetch?: typeof fetch;
}

interface Wish {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** It may be that the store is not waited for: nothing depends on it. */
  readonly hasty?: boolean;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** There is no such object, or no such upload. */
export class Missing extends Error {
  override readonly name = "Missing";
}

export interface Range {
  readonly bytes: Uint8Array;
  /** Octets of the whole object. */
  readonly of: number;
}

export class Bucket {
  readonly #options: BucketOptions;
  #credentials: Promise<Credentials> | undefined;
  #away = false;

  constructor(options: BucketOptions) {
    this.#options = options;
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    await this.#ask({ method: "PUT", key, body });
  }

  /** Begins an object in parts. @returns the upload's name */
  async begin(key: string): Promise<string> {
    return inXml(text(await this.#ask({ method: "POST", key, query: { uploads: "" } })), "UploadId")[0] ?? "";
  }

  /** The nth part, from 1 on, of 5 MiB at least unless it is the last. @returns its mark */
  async part(key: string, upload: string, n: number, body: Uint8Array): Promise<string> {
    const query = { partNumber: String(n), uploadId: upload };
    return (await this.#ask({ method: "PUT", key, query, body })).headers.get("etag") ?? "";
  }

  /** All parts become one object, of so many octets. */
  async complete(key: string, upload: string, marks: readonly string[], octets: number): Promise<void> {
    const parts = marks.map(
      (mark, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${mark}</ETag></Part>`,
    );
    const body = new TextEncoder().encode(
      `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join("")}</CompleteMultipartUpload>`,
    );
    try {
      await this.#ask({ method: "POST", key, query: { uploadId: upload }, body });
    } catch (error) {
      // It may have been done before, and the answer lost.
      if (!(error instanceof Missing)) throw error;
      if ((await this.range(key, 0, 0)).of !== octets)
        throw new SpoolError("io", `${this.#name(key)} is there, and not what was sent`);
    }
  }

  /** Nothing is left of an object in parts that was not completed. */
  async abort(key: string, upload: string): Promise<void> {
    await this.#gone({ method: "DELETE", key, query: { uploadId: upload }, hasty: true });
  }

  /** @throws Missing */
  async range(key: string, from: number, to: number): Promise<Range> {
    const asked = { method: "GET", key, headers: { range: `bytes=${from}-${to}` } } as const;
    const { status, headers, bytes } = await this.#ask(asked);
    if (status === 200 && from === 0) return { bytes, of: bytes.length };
    const of = Number(/\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1] ?? Number.NaN);
    if (bytes.length !== Math.min(to + 1, of) - from)
      throw new SpoolError("io", `${this.#name(key)}: ${from}-${to} was asked for, and not given`);
    return { bytes, of };
  }

  /** Whether it was there is not told. */
  async remove(key: string): Promise<void> {
    await this.#gone({ method: "DELETE", key });
  }

  /** Keys in their order, a page at a time. */
  async *list(prefix: string): AsyncGenerator<readonly string[]> {
    for (let token: string | undefined = ""; token !== undefined; ) {
      const more: Record<string, string> = token === "" ? {} : { "continuation-token": token };
      const xml = text(await this.#ask({ method: "GET", query: { "list-type": "2", prefix, ...more } }));
      yield inXml(xml, "Key");
      token = inXml(xml, "IsTruncated")[0] === "true" ? inXml(xml, "NextContinuationToken")[0] : undefined;
    }
  }

  /** Objects in parts that were begun and not completed; a store that shows a thousand shows the rest the next time. */
  async uploads(prefix: string): Promise<readonly { readonly key: string; readonly upload: string }[]> {
    const xml = text(await this.#ask({ method: "GET", query: { uploads: "", prefix } }));
    return inXml(xml, "Upload").map((one) => {
      const [[key = ""], [upload = ""]] = [inXml(one, "Key"), inXml(one, "UploadId")];
      return { key, upload };
    });
  }

  async #gone(wish: Wish): Promise<void> {
    await this.#ask(wish).catch((error: unknown) => {
      if (!(error instanceof Missing)) throw error;
    });
  }

  /** @throws SpoolError, Missing */
  async #ask(wish: Wish): Promise<Answer> {
    const { clock } = this.#options;
    const begun = clock.steady();
    for (let wait = BETWEEN; ; wait *= 2) {
      const answer = await this.#once(wish).catch((error: unknown) => {
        if (error instanceof SpoolError) throw error;
        return why(error);
      });
      const trouble = typeof answer === "string" ? answer : troubleOf(wish, answer);
      if (typeof answer !== "string" && trouble === undefined) {
        this.#away = false;
        return answer;
      }
      if (typeof answer !== "string" && !isPassing(answer)) throw this.#refusal(wish, answer);
      if (wish.hasty || this.#away || clock.steady() - begun + wait > PATIENCE) {
        this.#away = true;
        throw new SpoolError("busy", `${this.#name(wish.key)}: the store does not answer: ${trouble}`);
      }
      await pause(clock, wait);
    }
  }

  async #once({ method, key, query, headers, body }: Wish): Promise<Answer> {
    const { place, clock, fetch: ask = fetch } = this.#options;
    const url = new URL(`${place.endpoint}/${place.bucket}${key === undefined ? "" : `/${key}`}`);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const { AwsV4Signer } = await import("aws4fetch");
    this.#credentials ??= this.#options.credentials();
    const keys = await this.#credentials.catch((error: unknown) => {
      this.#credentials = undefined;
      throw error;
    });
    const signed = await new AwsV4Signer({
      ...{ method, url: url.href, service: "s3", region: place.region, ...keys },
      headers: {
        ...headers,
        "x-amz-content-sha256": Buffer.from(sha256(body ?? new Uint8Array())).toString("hex"),
      },
    }).sign();
    const ending = new AbortController();
    const deadline = clock.after(DEADLINE, () => ending.abort(new Error("no answer within a minute")));
    try {
      const answer = await ask(signed.url.href, {
        ...{ method, headers: signed.headers, signal: ending.signal, redirect: "manual" },
        ...(body !== undefined && { body: body as Uint8Array<ArrayBuffer> }),
      });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      return { status: answer.status, headers: answer.headers, bytes };
    } finally {
      deadline.stop();
    }
  }

  #refusal({ key }: Wish, answer: Answer): Error {
    const { status } = answer;
    const xml = text(answer);
    const [code = String(status)] = inXml(xml, "Code");
    const [message = ""] = inXml(xml, "Message");
    if (status === 404 && code !== "NoSuchBucket") return new Missing(`${this.#name(key)} is not there`);
    // They may have been changed; the next request reads them anew.
    if (status === 403 || status === 401) this.#credentials = undefined;
    const fault: SpoolFault = FULL.test(code) || status === 507 ? "full" : (faults[status] ?? "io");
    const said = code === "NoSuchBucket" ? "there is no such bucket" : `${code} ${message}`.trim();
    return new SpoolError(fault, `${this.#name(key)}: ${said}`);
  }

  #name(key = ""): string {
    const { bucket, endpoint } = this.#options.place;
    return `s3://${bucket}/${key} at ${new URL(endpoint).host}`;
  }
}

const FULL = /Quota|StorageFull|InsufficientStorage/i;
const faults: Readonly<Record<number, SpoolFault>> = { 401: "denied", 403: "denied" };

/** undefined: it was done. Parts that became no object are told with 200: the store answers before it is through. */
function troubleOf({ method }: Wish, answer: Answer): string | undefined {
  const { status } = answer;
  const failed = status < 200 || status > 299 || (method === "POST" && /<Error>/.test(text(answer)));
  return failed ? `status ${status}` : undefined;
}

/** A runtime may say no more than "fetch failed", and why only in the cause. */
function why(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

/** Such as a store says that is overloaded, or restarts. */
function isPassing(answer: Answer): boolean {
  const { status } = answer;
  if (status === 200) return /InternalError|SlowDown/.test(text(answer));
  return status === 429 || status === 408 || (status >= 500 && status !== 501 && status !== 507);
}

/** What stands in the elements of a name, those in others too. */
function inXml(xml: string, name: string): readonly string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^]*?)</${name}>`, "g"))].map(([, inner = ""]) =>
    inner.includes("<") ? inner : unescaped(inner),
  );
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(?:#(\d+)|(\w+));/g, (all, n, name) =>
    n === undefined ? (entities[name] ?? all) : String.fromCodePoint(Number(n)),
  );
}

function text({ bytes }: Answer): string {
  return new TextDecoder().decode(bytes);
}
