/** Messages from files and pipes as the spool keeps them: every line ends in CRLF, the last one too. */
import { Canonical } from "../wire/dots.ts";
import type { Pieces } from "./lf.ts";

/** The canonical octets of a message, in bounded pieces. */
export async function* canonical(pieces: Pieces): AsyncGenerator<Uint8Array> {
  const line = new Canonical();
  let out: Uint8Array[] = [];
  const put = (piece: Uint8Array) => void out.push(piece);
  for await (const piece of pieces) {
    line.write(piece, put);
    yield* out;
    out = [];
  }
  line.end(put);
  yield* out;
}
