import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Committer } from "../../src/spool/committer.ts";
import type { Answers, Operation, Store } from "../../src/spool/store.ts";

/** A store whose commits end when the test says so. */
class SlowStore implements Store {
  readonly sizes: number[] = [];
  #end: (() => void) | undefined;
  fails = false;

  call(batch: readonly Operation[]): Promise<Answers> {
    this.sizes.push(batch.length);
    return new Promise((resolve, reject) => {
      this.#end = () =>
        this.fails
          ? reject(new Error("gone"))
          : resolve({ answers: batch.map(() => ({ value: undefined })), usage: [], freed: [] });
    });
  }

  async close(): Promise<void> {}

  async end(): Promise<void> {
    await turn();
    this.#end?.();
    await turn();
  }
}

/** Until everything that can run without waiting has run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const aftermath = { usage: () => {}, freed: () => {} };

describe("the committer", () => {
  it("gathers what comes while a commit runs into the next one", async () => {
    const store = new SlowStore();
    const committer = new Committer(store, aftermath);
    const alone = committer.submit("look", {});
    await turn();
    const group = Array.from({ length: 7 }, () => committer.submit("look", {}));
    await turn();
    assert.deepEqual(store.sizes, [1]);
    await store.end();
    await alone;
    assert.deepEqual(store.sizes, [1, 7]);
    await store.end();
    await Promise.all(group);
  });

  it("takes no more into one commit than its last one can wait for", async () => {
    const store = new SlowStore();
    const committer = new Committer(store, aftermath);
    const many = Array.from({ length: 1000 }, () => committer.submit("look", {}));
    await store.end();
    await store.end();
    await Promise.all(many);
    assert.deepEqual(store.sizes, [512, 488]);
  });

  it("tells everybody in a group when the store is gone, and refuses once closed", async () => {
    const store = new SlowStore();
    store.fails = true;
    const committer = new Committer(store, aftermath);
    const all = Promise.allSettled([committer.submit("look", {}), committer.submit("look", {})]);
    await store.end();
    assert.deepEqual(
      (await all).map(({ status }) => status),
      ["rejected", "rejected"],
    );
    await committer.close();
    await assert.rejects(committer.submit("look", {}), { name: "SpoolError", fault: "closed" });
  });
});
