/** One question by HTTP to a program beside us: a body that streams out, an answer of bounded length. */
// Plain HTTP, on a port or a unix socket; nothing is followed, kept or tried again.
import { type IncomingMessage, request } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export interface HttpQuestion {
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Octets of the body. */
  readonly size: number;
  readonly body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** The answer has so many octets at most. */
  readonly largest: number;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** @throws the system's error, or an error that says what was wrong with the answer */
export type Ask = (question: HttpQuestion) => Promise<HttpAnswer>;

export const askHttp: Ask = async ({ at, path, headers, size, body, largest, signal }) => {
  const asked = request({
    ...("path" in at ? { socketPath: at.path } : { host: at.host, port: at.port }),
    method: "POST",
    path,
    agent: false,
    headers: { ...headers, "Content-Length": String(size) } as Record<string, string | string[]>,
    signal,
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    asked.once("response", resolve);
    asked.once("error", reject);
  });
  try {
    // Who answers before all was said (a refusal) is listened to all the same.
    const said = pipeline(Readable.from(buffers(body), { objectMode: false }), asked);
    said.catch(() => {});
    const answer = await Promise.race([answered, said.then(() => answered)]);
    return { status: answer.statusCode ?? 0, text: await textOf(answer, largest) };
  } finally {
    answered.catch(() => {});
    asked.destroy();
  }
};

async function textOf(answer: IncomingMessage, largest: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let octets = 0;
  for await (const piece of answer as AsyncIterable<Uint8Array>) {
    octets += piece.length;
    if (octets > largest) throw new Error(`an answer of more than ${largest} octets`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

async function* buffers(content: HttpQuestion["body"]): AsyncGenerator<Buffer> {
  for await (const piece of content) yield Buffer.from(piece.buffer, piece.byteOffset, piece.length);
}
