/** The gate: who may come in, from where, with how much. Everything passes it before any route does. */
// Tokens are compared as hashes, in constant time; a page of another site gets nowhere, whatever it sends.
import type { Context, Next } from "hono";
import type { Clock } from "../platform/clock.ts";
import { problem } from "./problem.ts";

export type Scope = "read" | "full";

export interface Token {
  readonly token: string;
  readonly scope: Scope;
  /** Who the history says it was: `api:<name>`. */
  readonly name: string;
}

export interface GateOptions {
  readonly tokens: readonly Token[];
  /** Names and addresses that the Host field may have, without port. */
  readonly hosts: readonly string[];
  readonly clock: Clock;
  /** The address at the other end, from what the server gave beside the request. */
  readonly peerOf?: (env: unknown) => string;
}

/** What the gate tells the routes of who has come in. */
export interface Visit {
  Variables: { who: string; scope: Scope };
}

/** Wrong tokens of one address at once, and how often one more is allowed. */
const GUESSES = 10;
const GUESS_EVERY = 6000;
const ADDRESSES = 10_000;

const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

/** For everything that leaves: no sniffing, no frames, no referrer; nothing is loaded unless a page says so. */
export async function secure(context: Context, next: Next): Promise<void> {
  await next();
  const { headers } = context.res;
  for (const [name, value] of hardening) if (!headers.has(name)) headers.set(name, value);
}

const hardening = [
  ["X-Content-Type-Options", "nosniff"],
  ["X-Frame-Options", "DENY"],
  ["Referrer-Policy", "no-referrer"],
  ["Cross-Origin-Resource-Policy", "same-origin"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
  ["Cache-Control", "no-store"],
  [
    "Content-Security-Policy",
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  ],
] as const;

export class Gate {
  readonly #options: GateOptions;
  readonly #hosts: ReadonlySet<string>;
  readonly #tokens: Promise<readonly (Token & { readonly hash: Uint8Array })[]>;
  readonly #guesses = new Map<string, { left: number; at: number }>();

  constructor(options: GateOptions) {
    this.#options = options;
    this.#hosts = new Set(options.hosts.map((host) => host.toLowerCase()));
    this.#tokens = Promise.all(
      options.tokens.map(async (token) => ({ ...token, hash: await hashOf(token.token) })),
    );
  }

  /** Host and Origin: against names that lead here by deceit (DNS rebinding), and pages of other sites. */
  readonly place = async (context: Context, next: Next): Promise<Response | void> => {
    const host = context.req.header("host") ?? new URL(context.req.url).host;
    if (!this.#hosts.has(nameOf(host))) return problem(403, "this Host is not one of ours; see admin.hosts");
    if (!SAFE.has(context.req.method) && isForeign(context, host))
      return problem(403, "a page of another site sent this");
    await next();
  };

  /** The token. What changes something asks for a full one. */
  readonly token = async (context: Context<Visit>, next: Next): Promise<Response | void> => {
    const given = bearerIn(context);
    if (given === undefined) return unauthorized("a token is needed: Authorization: Bearer …");
    const token = await this.admit(given, context.env);
    if (token === "wrong") return unauthorized("this token is not known");
    if ("wait" in token) {
      const headers = { "Retry-After": String(Math.ceil(token.wait / 1000)) };
      return problem(429, "too many wrong tokens", { headers });
    }
    if (token.scope === "read" && !SAFE.has(context.req.method))
      return problem(403, "this token may only read");
    context.set("who", `api:${token.name}`);
    context.set("scope", token.scope);
    await next();
  };

  /**
   * The token that this text is. Wrong ones are counted by address; after too many nobody there is heard for a while.
   * @param env what the server gave beside the request
   */
  async admit(text: string, env: unknown): Promise<Token | "wrong" | { readonly wait: number }> {
    const address = this.#options.peerOf?.(env) ?? "";
    const wait = this.#wait(address);
    if (wait > 0) return { wait };
    const token = await this.find(text);
    if (token === undefined) this.#guessed(address);
    return token ?? "wrong";
  }

  /** The token that this text is; all are compared, in the same time whichever it is. */
  async find(text: string): Promise<Token | undefined> {
    const hash = await hashOf(text);
    let found: Token | undefined;
    for (const token of await this.#tokens) if (same(token.hash, hash)) found ??= token;
    return found;
  }

  /** Milliseconds until this address may try again. */
  #wait(address: string): number {
    const guesses = this.#guesses.get(address);
    if (guesses === undefined) return 0;
    const passed = this.#options.clock.steady() - guesses.at;
    const left = Math.min(GUESSES, guesses.left + Math.floor(passed / GUESS_EVERY));
    if (left === GUESSES) this.#guesses.delete(address);
    return left > 0 ? 0 : GUESS_EVERY - passed;
  }

  #guessed(address: string): void {
    const now = this.#options.clock.steady();
    const { left, at } = this.#guesses.get(address) ?? { left: GUESSES, at: now };
    const regained = Math.floor((now - at) / GUESS_EVERY);
    this.#guesses.delete(address);
    this.#guesses.set(address, {
      left: Math.min(GUESSES, left + regained) - 1,
      at: at + regained * GUESS_EVERY,
    });
    if (this.#guesses.size <= ADDRESSES) return;
    for (const oldest of this.#guesses.keys()) {
      this.#guesses.delete(oldest);
      return;
    }
  }
}

function unauthorized(detail: string): Response {
  return problem(401, detail, { headers: { "WWW-Authenticate": 'Bearer realm="odmr"' } });
}

function bearerIn({ req }: Context): string | undefined {
  return /^Bearer +([^\s]{1,1024})$/i.exec(req.header("authorization") ?? "")?.[1];
}

/** Browsers say where a request comes from; programs do not, and need not. */
function isForeign({ req }: Context, host: string): boolean {
  const site = req.header("sec-fetch-site");
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  const origin = req.header("origin");
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host.toLowerCase();
}

/** A Host field without its port; `[::1]:80` is `::1`. */
export function nameOf(host: string): string {
  const literal = /^\[([^\]]*)\](?::\d+)?$/.exec(host)?.[1];
  return (literal ?? host.replace(/:\d+$/, "")).toLowerCase();
}

async function hashOf(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  let differs = 0;
  for (let i = 0; i < 32; i++) differs |= (a[i] ?? 0) ^ (b[i] ?? 1);
  return differs === 0;
}
