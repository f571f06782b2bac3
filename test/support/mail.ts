/** Mail to test with: real messages, parcels made of them, and folders that go away. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Parcel } from "../../src/delivery/delivery.ts";
import type { Address } from "../../src/wire/address.ts";
import { Canonical } from "../../src/wire/dots.ts";

const CORPUS = process.env.ODMR_CORPUS ?? new URL("../../../shared/corpus", import.meta.url).pathname;

export interface CorpusMessage {
  readonly name: string;
  readonly raw: Uint8Array;
  readonly canonical: Uint8Array;
}

/** Real messages that nobody here wrote; none where the corpus is not at hand. */
export async function corpus(): Promise<readonly CorpusMessage[]> {
  const messages: CorpusMessage[] = [];
  for (const folder of ["list", "odd"]) {
    const names = await readdir(join(CORPUS, folder)).catch(() => []);
    for (const name of names.sort()) {
      const raw = new Uint8Array(await readFile(join(CORPUS, folder, name)));
      messages.push({ name: `${folder}/${name}`, raw, canonical: canonical(raw) });
    }
  }
  return messages;
}

export function canonical(raw: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  const body = new Canonical();
  body.write(raw, (piece) => void pieces.push(piece));
  body.end((piece) => void pieces.push(piece));
  return joined(pieces);
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

export async function collected(
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return joined(all);
}

export const octets = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The octets cut into pieces of this size. */
export function cut(bytes: Uint8Array, size: number): readonly Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return pieces;
}

export interface ParcelFacts {
  readonly content?: Uint8Array;
  readonly from?: Address;
  readonly id?: string;
  readonly arrived?: number;
}

export function parcelFor(recipients: readonly Address[], facts: ParcelFacts = {}): Parcel {
  const content = facts.content ?? octets("Subject: hello\r\n\r\nFrom here on\r\nall is text.\r\n");
  return {
    id: facts.id ?? "0192d0c8-1c00-7000-8000-000000000001",
    envelope: {
      from: facts.from ?? "ann@example.net",
      recipients: recipients.map((address) => ({ address, notify: [] })),
      smtputf8: false,
    },
    size: content.length,
    arrived: facts.arrived ?? Date.UTC(2026, 10, 4, 7, 8, 9),
    content: () => cut(content, 700),
  };
}

/** A folder for the time of one test. */
export async function inFolder<T>(act: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "odmr-test-"));
  try {
    return await act(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
