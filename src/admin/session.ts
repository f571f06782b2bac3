/** Who is signed in at the dashboard: a sealed cookie, and a token for forms that is bound to it. */
// Nothing is stored but what was signed out before its time; the seal is an HMAC by a key that only this process has.
import type { Clock, Instant } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import type { Token } from "./gate.ts";

export interface Session {
  /** The name of the token that opened it. */
  readonly name: string;
  /** Of that token: with another one of the same name the session is over. */
  readonly mark: string;
  readonly until: Instant;
  /** What its form token is made of. */
  readonly nonce: string;
}

/** How long one stays signed in, in milliseconds. */
export const LASTS = 12 * 60 * 60 * 1000;

export interface SessionTools {
  readonly clock: Clock;
  readonly random: Random;
  /** 32 octets; undefined: made at the start, and sessions end with the process. */
  readonly key?: Uint8Array<ArrayBuffer>;
}

export class Sessions {
  readonly #tools: SessionTools;
  readonly #key: Promise<CryptoKey>;
  /** Nonces of sessions that were signed out, and when they would have ended. */
  readonly #ended = new Map<string, Instant>();

  constructor(tools: SessionTools) {
    this.#tools = tools;
    const octets = tools.key ?? new Uint8Array(tools.random.bytes(32));
    this.#key = crypto.subtle.importKey("raw", octets, { name: "HMAC", hash: "SHA-256" }, false, [
      "sign",
      "verify",
    ]);
  }

  /** What the cookie says. */
  async begin({ name, token }: Pick<Token, "name" | "token">): Promise<string> {
    const session: Session = {
      name,
      mark: await this.#mark(token),
      until: this.#tools.clock.now() + LASTS,
      nonce: base64url(this.#tools.random.bytes(16)),
    };
    return await this.seal("session", JSON.stringify(session));
  }

  /** The session of a cookie; undefined if there is none, it was changed, or it is over. */
  async read(cookie: string | undefined): Promise<Session | undefined> {
    const text = cookie === undefined ? undefined : await this.unseal("session", cookie);
    if (text === undefined) return undefined;
    const session = JSON.parse(text) as Session;
    return session.until > this.#tools.clock.now() && !this.#ended.has(session.nonce) ? session : undefined;
  }

  /** Whether this is still the token that opened it. */
  async isOf(session: Session, { token }: Pick<Token, "token">): Promise<boolean> {
    return session.mark === (await this.#mark(token));
  }

  end({ nonce, until }: Session): void {
    const now = this.#tools.clock.now();
    for (const [each, over] of this.#ended) if (over <= now) this.#ended.delete(each);
    this.#ended.set(nonce, until);
  }

  /** What each form carries, so that only our own pages can send it. */
  formToken({ nonce }: Session): Promise<string> {
    return this.#sign(`form:${nonce}`).then(base64url);
  }

  async isFormToken(session: Session, token: string): Promise<boolean> {
    return await this.#verify(`form:${session.nonce}`, token);
  }

  /** A text that comes back unchanged or not at all. `use` keeps one kind from being taken for another. */
  async seal(use: string, text: string): Promise<string> {
    const body = base64url(new TextEncoder().encode(text));
    return `${body}.${base64url(await this.#sign(`${use}:${body}`))}`;
  }

  async unseal(use: string, sealed: string): Promise<string | undefined> {
    const [body = "", signature = ""] = sealed.split(".");
    const text = fromBase64url(body);
    if (text === undefined || !(await this.#verify(`${use}:${body}`, signature))) return undefined;
    return new TextDecoder().decode(text);
  }

  async #mark(token: string): Promise<string> {
    return base64url((await this.#sign(`token:${token}`)).subarray(0, 12));
  }

  async #sign(text: string): Promise<Uint8Array> {
    return new Uint8Array(await crypto.subtle.sign("HMAC", await this.#key, new TextEncoder().encode(text)));
  }

  /** In constant time: Web Crypto compares. */
  async #verify(text: string, signature: string): Promise<boolean> {
    const octets = fromBase64url(signature);
    if (octets === undefined) return false;
    return await crypto.subtle.verify("HMAC", await this.#key, octets, new TextEncoder().encode(text));
  }
}

function base64url(octets: Uint8Array): string {
  return btoa(String.fromCharCode(...octets))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
}

function fromBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}
