/** DKIM: the signature field of a message, made when it leaves (RFC 6376). */
// The message is read once for the signature and once more to be sent: none of it is kept in memory.
import type { KeyObject } from "node:crypto";

export interface DkimKey {
  readonly selector: string;
  readonly key: KeyObject | string;
}

type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** The DKIM-Signature field, CRLF-ended, by the key of the domain in From; undefined: there is no key for it. */
export async function dkimSignature(
  content: Pieces,
  keys: ReadonlyMap<string, DkimKey>,
): Promise<string | undefined> {
  const [{ default: Parser }, { default: Hash }, { default: sign }, { pipeline }, { Readable, Writable }] =
    await Promise.all([
      import("nodemailer/lib/dkim/message-parser.js"),
      import("nodemailer/lib/dkim/relaxed-body.js"),
      import("nodemailer/lib/dkim/sign.js"),
      import("node:stream/promises"),
      import("node:stream"),
    ]);
  const parser = new Parser();
  const body = new Hash({ hashAlgo: "sha256" });
  let headers: Parameters<typeof sign>[0] = [];
  let hash = "";
  parser.on("headers", (found: typeof headers) => {
    headers = found;
  });
  body.on("hash", (found: string) => {
    hash = found;
  });
  const nowhere = new Writable({ write: (_piece, _encoding, done) => done() });
  await pipeline(Readable.from(buffers(content), { objectMode: false }), parser, body, nowhere);
  const domain = fromDomain(headers);
  const key = domain === undefined ? undefined : keys.get(domain);
  if (key === undefined) return undefined;
  const field = sign(headers, "sha256", hash, {
    domainName: domain,
    keySelector: key.selector,
    privateKey: key.key,
  });
  return field === false ? undefined : `${field}\r\n`;
}

async function* buffers(content: Pieces): AsyncGenerator<Buffer> {
  for await (const piece of content) yield Buffer.from(piece.buffer, piece.byteOffset, piece.length);
}

/** The domain of the address in From, if there is one From with one address: who signs must say for whom. */
function fromDomain(headers: readonly { readonly key: string; readonly line: string }[]): string | undefined {
  const fields = headers.filter(({ key }) => key === "from");
  const domains = [...(fields[0]?.line.matchAll(/@([A-Za-z0-9.-]+)>?\s*(?:$|,|\()/g) ?? [])];
  const last = domains.at(-1)?.[1]?.toLowerCase();
  return fields.length === 1 && domains.length === 1 ? last : undefined;
}
