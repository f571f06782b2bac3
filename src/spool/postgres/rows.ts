/** Rows on their way into a statement: as one JSON text, or as the text of an array. */
// The database keeps no NUL and no half of a surrogate pair: both become U+FFFD here, or they would take a whole group down.

/** What a statement may be given. */
export type Value = string | number | boolean | null | Uint8Array;

/** Rows for json_to_recordset(). */
export function rows(items: readonly object[]): string {
  const json = JSON.stringify(items);
  return json.includes("\\u") ? json.replace(/\\(?:u0000|u[dD][89abAB-fF][0-9a-fA-F]{2}|.)/g, mended) : json;
}

const mended = (sequence: string): string => (/^\\u(?:0000|d)/i.test(sequence) ? "\\ufffd" : sequence);

/** Text for a column. */
export function clean(text: string): string {
  return text.replaceAll("\0", "\ufffd").toWellFormed();
}

/** For `$1::text::bigint[]` and `$1::text::text[]`. */
export function list(items: Iterable<string | number>): string {
  const shown = Array.from(items, (item) =>
    typeof item === "number" ? String(item) : `"${clean(item).replace(/["\\]/g, "\\$&")}"`,
  );
  return `{${shown.join(",")}}`;
}

/** The octets of several rows as one value, from which each takes its own: text of them would be read character by character. */
export class Octets {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  /** Where these octets will be. */
  add(bytes: Uint8Array): { readonly at: number; readonly length: number } {
    const at = this.#length;
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    return { at, length: bytes.length };
  }

  get all(): Uint8Array {
    return Buffer.concat(this.#pieces, this.#length);
  }
}

/** For decode(…, 'base64'). */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}
