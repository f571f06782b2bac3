/** How often each customer is logged in at once: one whose password was stolen, or whose house runs wild, leaves room to the others. */
// Counted from the login to the end of the connection, over all rounds on it.

/** One connection, from its beginning to its end. */
export interface Guest {
  /** It has logged in as this customer. @returns whether that many may be here */
  admits(customer: string, most: number): boolean;
  leave(): void;
}

export class Company {
  readonly #here = new Map<string, number>();

  guest(): Guest {
    let mine: string | undefined;
    return {
      admits: (customer, most) => {
        const count = this.#here.get(customer) ?? 0;
        if (count >= most) return false;
        this.#here.set(customer, count + 1);
        mine = customer;
        return true;
      },
      leave: () => {
        if (mine === undefined) return;
        const left = (this.#here.get(mine) ?? 1) - 1;
        if (left > 0) this.#here.set(mine, left);
        else this.#here.delete(mine);
        mine = undefined;
      },
    };
  }
}
