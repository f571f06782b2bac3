/** Messages in files: single ones (.eml), mbox files, Maildirs and folders, read for import and written for export. */
// Reading changes nothing: no flag is set and no file moved. Nothing is ever written over.
import type { Instant } from "../platform/clock.ts";
import type { Files, NewFile } from "../platform/files.ts";
import type { Address } from "../wire/address.ts";
import { canonical } from "./canonical.ts";
import { type Pieces, withLf } from "./lf.ts";
import { fromLine, type Part, parts, quoted } from "./mbox.ts";

/** How messages lie there: one in a file, many in a file, a Maildir, or a folder of single files. */
export type Kind = "eml" | "mbox" | "maildir" | "folder";

/** A message that was found. Its content is to be read before the next message is asked for, once. */
export interface FoundMessage {
  /** Where it lies, for messages to the user: a file's path, or `path:3` for the third in an mbox. */
  readonly name: string;
  /** The sender that an mbox notes; undefined where nothing does. */
  readonly sender: Address | undefined;
  /** Canonical octets (CRLF), in bounded pieces. */
  content(): AsyncIterable<Uint8Array>;
}

/** A message to be written. */
export interface FiledMessage {
  readonly id: string;
  readonly sender: Address;
  readonly arrived: Instant;
  readonly content: Pieces;
}

export interface MessageWriter {
  /** Resolves when the message would survive a power cut. */
  write(message: FiledMessage): Promise<void>;
  close(): Promise<void>;
}

/** What lies at this path; undefined: nothing does. */
export async function kindAt(path: string, files: Files): Promise<Kind | undefined> {
  const found = await files.stat(path);
  if (found === undefined) return undefined;
  if (found.folder) return (await isMaildir(path, files)) ? "maildir" : "folder";
  for await (const piece of files.read(path)) return startsWithFrom(piece) ? "mbox" : "eml";
  return "eml";
}

/** The messages at this path, in order of their names or places. @throws NoMbox, or the system's error */
export function messagesAt(path: string, kind: Kind, files: Files): AsyncIterable<FoundMessage> {
  return readers[kind](path, files);
}

/** Begins to write messages to this path. @throws EEXIST where an mbox would be written over */
export function writerTo(path: string, kind: Kind, files: Files): Promise<MessageWriter> {
  return writers[kind](path, files);
}

const readers: Readonly<Record<Kind, (path: string, files: Files) => AsyncIterable<FoundMessage>>> = {
  async *eml(path, files) {
    yield single(path, files);
  },
  async *folder(path, files) {
    for (const name of visible(await files.list(path))) {
      const at = `${path}/${name}`;
      if ((await files.stat(at))?.folder === false) yield single(at, files);
    }
  },
  async *maildir(path, files) {
    for (const folder of ["new", "cur"]) yield* readers.folder(`${path}/${folder}`, files);
  },
  mbox,
};

const writers: Readonly<Record<Kind, (path: string, files: Files) => Promise<MessageWriter>>> = {
  eml: emlWriter,
  folder: emlWriter,
  mbox: mboxWriter,
  maildir: maildirWriter,
};

function single(path: string, files: Files): FoundMessage {
  return { name: path, sender: undefined, content: () => canonical(files.read(path)) };
}

async function* mbox(path: string, files: Files): AsyncGenerator<FoundMessage> {
  const found = parts(files.read(path));
  let step: Step = await found.next();
  async function* octets(): AsyncGenerator<Uint8Array> {
    for (; isOctets(step); step = await found.next()) yield step.value;
  }
  try {
    for (let number = 1; !step.done; number++) {
      const { sender } = "sender" in step.value ? step.value : NOBODY;
      step = await found.next();
      yield { name: `${path}:${number}`, sender, content: () => canonical(octets()) };
      while (isOctets(step)) step = await found.next();
    }
  } finally {
    await found.return(undefined);
  }
}

const NOBODY = { sender: undefined };

type Step = IteratorResult<Part, void>;

function isOctets(step: Step): step is IteratorYieldResult<Uint8Array> {
  return step.value instanceof Uint8Array;
}

async function emlWriter(path: string, files: Files): Promise<MessageWriter> {
  await files.makeFolder(path);
  return {
    write: async ({ id, content }) => {
      await fill(await files.create(`${path}/${id}.eml`), content);
      await files.syncFolder(path);
    },
    close: async () => {},
  };
}

async function mboxWriter(path: string, files: Files): Promise<MessageWriter> {
  const file = await files.create(path);
  return {
    write: async ({ sender, arrived, content }) => {
      await file.append(encode(fromLine(sender, arrived)));
      for await (const piece of quoted(withLf(content))) await file.append(piece);
      await file.append(encode("\n"));
      await file.sync();
    },
    close: () => file.close(),
  };
}

async function maildirWriter(path: string, files: Files): Promise<MessageWriter> {
  for (const folder of ["tmp", "new", "cur"]) await files.makeFolder(`${path}/${folder}`);
  return {
    write: async ({ id, content }) => {
      await fill(await files.create(`${path}/tmp/${id}`), withLf(content));
      await files.rename(`${path}/tmp/${id}`, `${path}/new/${id}`);
      await files.syncFolder(`${path}/new`);
    },
    close: async () => {},
  };
}

async function fill(file: NewFile, content: Pieces): Promise<void> {
  try {
    for await (const piece of content) await file.append(piece);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function isMaildir(path: string, files: Files): Promise<boolean> {
  for (const name of ["new", "cur"]) if ((await files.stat(`${path}/${name}`))?.folder !== true) return false;
  return true;
}

const visible = (names: readonly string[]): readonly string[] =>
  names.filter((name) => !name.startsWith("."));
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function startsWithFrom(piece: Uint8Array): boolean {
  return encode("From ").every((octet, i) => piece[i] === octet);
}
