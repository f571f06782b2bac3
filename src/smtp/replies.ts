/** The replies of a server session on their way out, in the order of the commands, though bodies settle in any order. */
// A place is kept for each owed reply; what stands behind it waits, so a client can match replies by counting.
import { formatReply, type Reply } from "../wire/reply.ts";
import type { BodyToken } from "./session.ts";

/** The place of a body's final reply; its text is undefined as long as it is owed. */
interface Place {
  readonly token: BodyToken;
  text: string | undefined;
}

const encoder = new TextEncoder();
const nothing = new Uint8Array(0);

export class ReplyQueue {
  /** May leave now. */
  #ready = "";
  /** From the first owed reply on. */
  readonly #behind: (string | Place)[] = [];
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
    this.#behind.push({ token, text: undefined });
    this.#owed++;
  }

  settle(token: BodyToken, replies: readonly Reply[]): void {
    const place = this.#behind.find((one): one is Place => typeof one === "object" && one.token === token);
    if (place === undefined || place.text !== undefined) throw new Error(`body ${token} is not owed a reply`);
    place.text = replies.map(formatReply).join("");
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
      const text = typeof place === "string" ? place : place.text;
      if (text === undefined) break;
      this.#ready += text;
      count++;
    }
    this.#behind.splice(0, count);
  }
}
