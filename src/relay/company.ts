/** How often each customer is logged in at once: one whose password was stolen, or whose house runs wild, leaves room to the others. */
// Counted from the login to the end of the line, over all rounds on it. Who has not logged in costs nothing here.
import type { Connection } from "../net/connection.ts";

export class Company {
  readonly #who = new Map<Connection, string>();
  readonly #here = new Map<string, number>();

  /** Somebody on this line has logged in as this customer. @returns whether it is one of `most` who may be here */
  admits(line: Connection, customer: string, most = Number.POSITIVE_INFINITY): boolean {
    const count = this.#here.get(customer) ?? 0;
    if (count >= most) return false;
    this.#here.set(customer, count + 1);
    this.#who.set(line, customer);
    return true;
  }

  /** The line is over, or goes on under TLS, where it is nobody yet. */
  leave(line: Connection): void {
    const customer = this.#who.get(line);
    if (customer === undefined) return;
    this.#who.delete(line);
    const left = (this.#here.get(customer) ?? 1) - 1;
    if (left > 0) this.#here.set(customer, left);
    else this.#here.delete(customer);
  }
}
