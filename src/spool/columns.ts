/** Columns that belong together, as what they mean. */
import type { StoredBody } from "./store.ts";

/** A body: in its row, or in a file. */
export function contentOf(row: {
  readonly file: string | null;
  readonly bytes: Uint8Array | null;
}): StoredBody {
  return row.file === null ? { bytes: row.bytes ?? new Uint8Array(0) } : { file: row.file };
}
