/** A store in a Worker: the same store, one message each way for each batch. */
// What is asked in one turn of the event loop crosses in one parcel, and so do its answers.
import { type Parcel, unwrapped, wrapped } from "./parcel.ts";
import { SpoolError, type SpoolFault } from "./spool.ts";
import type { Answers, Operation, Store } from "./store.ts";

/** What the thread is told. */
export type ToThread =
  | { readonly type: "open"; readonly path: string; readonly id: string }
  | { readonly type: "call"; readonly batch: Parcel }
  | { readonly type: "close" };

/** What it answers, in order: one answer each. */
export type FromThread =
  | { readonly type: "opened"; readonly id: string }
  | { readonly type: "answers"; readonly answers: Parcel }
  | { readonly type: "closed" }
  | { readonly type: "failed"; readonly fault: SpoolFault; readonly message: string };

/** In a compiled binary, entry points lie by their path in the project; from source, beside this file. */
function entry(): string {
  const compiled = /\$bunfs|~BUN/.test(import.meta.url);
  // As npm has it, this is JavaScript.
  const kind = import.meta.url.endsWith(".js") ? "js" : "ts";
  return compiled ? "./src/spool/thread.ts" : new URL(`./thread.${kind}`, import.meta.url).href;
}

interface Waiting {
  readonly resolve: (answer: FromThread) => void;
  readonly reject: (error: SpoolError) => void;
}

export class WorkerStore implements Store {
  readonly #worker = new Worker(entry(), { type: "module" });
  readonly #waiting: Waiting[] = [];
  #dead: SpoolError | undefined;

  private constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<FromThread>) => this.#answered(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#die(new SpoolError("closed", `the spool's thread ended: ${event.message}`));
    };
  }

  /** @throws SpoolError */
  static async open(path: string, id: string): Promise<{ readonly store: WorkerStore; readonly id: string }> {
    const store = new WorkerStore();
    try {
      const answer = await store.#ask({ type: "open", path, id });
      return { store, id: answer.type === "opened" ? answer.id : id };
    } catch (error) {
      store.#worker.terminate();
      throw error;
    }
  }

  async call(batch: readonly Operation[]): Promise<Answers> {
    const parcel = wrapped(batch);
    const answer = await this.#ask({ type: "call", batch: parcel }, [parcel.block]);
    if (answer.type !== "answers") throw new SpoolError("io", `the spool's thread said ${answer.type}`);
    return unwrapped(answer.answers) as Answers;
  }

  async close(): Promise<void> {
    try {
      await this.#ask({ type: "close" });
    } finally {
      this.#worker.terminate();
    }
  }

  #ask(question: ToThread, handed: readonly ArrayBuffer[] = []): Promise<FromThread> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(question, [...handed]);
    });
  }

  #answered(answer: FromThread): void {
    const waiting = this.#waiting.shift();
    if (answer.type === "failed") waiting?.reject(new SpoolError(answer.fault, answer.message));
    else waiting?.resolve(answer);
  }

  #die(error: SpoolError): void {
    this.#dead = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
