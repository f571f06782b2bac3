/** The Worker's side of worker.ts: opens the store and runs the batches that it is sent. An entry point of its own. */
// One question, one answer, in order; nothing here is asynchronous, so that nothing can overtake.
import { openDatabase } from "../platform/sqlite.ts";
import { type Parcel, unwrapped, wrapped } from "./parcel.ts";
import { SpoolError } from "./spool.ts";
import { openStore, type SqliteStore } from "./sqlite.ts";
import type { Operation } from "./store.ts";
import type { FromThread, ToThread } from "./worker.ts";

/** The part of a Worker's global scope that is used here; no type library of ours has it. */
interface Scope {
  onmessage: ((event: MessageEvent<ToThread>) => void) | null;
  postMessage(answer: FromThread, handed: readonly ArrayBuffer[]): void;
}

const scope = globalThis as unknown as Scope;
let store: SqliteStore | undefined;

scope.onmessage = ({ data }) => {
  try {
    const answer = answerTo(data);
    scope.postMessage(answer, answer.type === "answers" ? [answer.answers.block] : []);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    scope.postMessage(
      { type: "failed", fault: error instanceof SpoolError ? error.fault : "io", message },
      [],
    );
  }
};

function answerTo(question: ToThread): FromThread {
  switch (question.type) {
    case "open":
      store = openStore({ path: question.path, id: question.id, open: openDatabase });
      return { type: "opened", id: store.id };
    case "call":
      if (store === undefined) throw new SpoolError("closed", "the store is not open");
      return { type: "answers", answers: answersOf(store, question.batch) };
    case "close":
      store?.end();
      store = undefined;
      return { type: "closed" };
  }
}

/** The block goes at once: a thread that hardly makes objects of its own would collect it late. */
function answersOf(store: SqliteStore, batch: Parcel): Parcel {
  try {
    return wrapped(store.run(unwrapped(batch) as readonly Operation[]));
  } finally {
    batch.block.transfer(0);
  }
}
