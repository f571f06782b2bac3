/** Page after page of something long, for whoever asks for one after the other. */
// The next page is asked for when the last one was taken: nothing is read for nobody.

/** Until enough was given or no more is there. */
export async function* paged<Item, Key>(
  enough: number | undefined,
  most: number,
  ask: (
    limit: number,
    after?: Key,
  ) => Promise<{ readonly items: readonly Item[]; readonly next: Key | undefined }>,
): AsyncGenerator<Item> {
  let left = enough ?? Number.POSITIVE_INFINITY;
  let after: Key | undefined;
  while (left > 0) {
    const { items, next } = await ask(Math.min(left, most), after);
    yield* items;
    if (next === undefined) return;
    left -= items.length;
    after = next;
  }
}
