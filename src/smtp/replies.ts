/** The replies of a server session on their way out, in the order of the commands, though bodies settle in any order. */
// A place is kept for each owed reply; what stands behind it waits, so a client can match replies by counting.
import { formatReply, type Reply } from "../wire/reply.ts";
import type { BodyToken } from "./session.ts";

const encoder = new TextEncoder();
const nothing = new Uint8Array(0);

export class ReplyQueue {
  /** May leave now. */
  #ready = "";
  /** From the first owed reply on: text, or the token of a body whose place this is. */
  readonly #behind: (string | BodyToken)[] = [];
  readonly #settled = new Map<BodyToken, string>();
  #owed = 0;

  /** Final replies without their text yet. */
  get owed(): number {
    return this.#owed;
  }

  add(reply: Reply): void {
    if (this.#behind.length === 0) this.#ready += formatReply(reply);
    else this.#behind.push(formatReply(reply));
  }

  owe(token: BodyToken): void {
    this.#behind.push(token);
    this.#owed++;
  }

  settle(token: BodyToken, replies: readonly Reply[]): void {
    if (!this.#behind.includes(token) || this.#settled.has(token))
      throw new Error(`body ${token} is not owed a reply`);
    this.#settled.set(token, replies.map(formatReply).join(""));
    this.#owed--;
    this.#moveUp();
  }

  flush(): Uint8Array {
    if (this.#ready === "") return nothing;
    const bytes = encoder.encode(this.#ready);
    this.#ready = "";
    return bytes;
  }

  #moveUp(): void {
    let count = 0;
    for (const place of this.#behind) {
      const text = typeof place === "string" ? place : this.#settled.get(place);
      if (text === undefined) break;
      if (typeof place === "number") this.#settled.delete(place);
      this.#ready += text;
      count++;
    }
    this.#behind.splice(0, count);
  }
}
