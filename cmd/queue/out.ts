/** Writing results: line after line, never faster than the reader reads. */
// A queue of a million entries goes through here: nothing is collected but one buffer's worth.

export interface Sink {
  readonly write: (text: string) => unknown;
}

const BUFFER = 32 * 1024;

/** Lines to a stream, in large writes. Call end() in the end. */
export class Lines {
  readonly #sink: Sink;
  #text = "";

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  async line(text: string): Promise<void> {
    this.#text += `${text}\n`;
    if (this.#text.length >= BUFFER) await this.end();
  }

  /** Writes what is left. */
  async end(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text !== "") await written(this.#sink, text);
  }
}

/** Writes text or octets, and waits while the stream is full. */
export async function written(sink: Sink, content: string | Uint8Array): Promise<void> {
  const more = (sink.write as (content: string | Uint8Array) => unknown)(content);
  if (more === false && "once" in sink)
    await new Promise((resolve) => (sink as NodeJS.WriteStream).once("drain", resolve));
}
