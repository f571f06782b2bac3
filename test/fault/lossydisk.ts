/** A disk that forgets what was not synced: it is told a recording's calls in order, and says what a power cut leaves. */
// Sure are a file's octets after its own sync, and a name after its folder's; a sync is good for what ended before it began.
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import type { Random } from "../../src/platform/random.ts";
import { type Call, numbersOf } from "./recording.ts";

interface Change {
  readonly ended: number;
  readonly apply: (to: Octets) => void;
}

/** A growing run of octets. */
class Octets {
  bytes: Uint8Array;

  constructor(bytes: Uint8Array = new Uint8Array()) {
    this.bytes = bytes;
  }

  put(octets: Uint8Array, at: number): void {
    if (at + octets.length > this.bytes.length) this.resize(at + octets.length);
    this.bytes.set(octets, at);
  }

  resize(length: number): void {
    const now = new Uint8Array(length);
    now.set(this.bytes.subarray(0, length));
    this.bytes = now;
  }
}

class Inode {
  readonly sure = new Octets();
  /** Where the next write() goes: each of these files is written by one descriptor. */
  position = 0;
  pending: Change[] = [];

  sync(began: number): void {
    for (const { apply, ended } of this.pending) if (ended < began) apply(this.sure);
    this.pending = this.pending.filter(({ ended }) => ended >= began);
  }

  survivor(happens: Happens): Uint8Array {
    const left = new Octets(this.sure.bytes.slice());
    for (const { apply } of this.pending) if (happens()) apply(left);
    return left.bytes;
  }
}

type Node = Inode | Folder;

class Folder {
  readonly now = new Map<string, Node>();
  readonly sure = new Map<string, Node>();
  pending: { readonly ended: number; readonly name: string; readonly node: Node | undefined }[] = [];

  put(name: string, node: Node | undefined, ended: number): void {
    set(this.now, name, node);
    this.pending.push({ ended, name, node });
  }

  sync(began: number): void {
    for (const { ended, name, node } of this.pending) if (ended < began) set(this.sure, name, node);
    this.pending = this.pending.filter(({ ended }) => ended >= began);
  }

  survivors(happens: Happens): ReadonlyMap<string, Node> {
    const left = new Map(this.sure);
    for (const { name, node } of this.pending) if (happens()) set(left, name, node);
    return left;
  }
}

function set(names: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}

type Happens = () => boolean;

export interface LossyOptions {
  /** Everything below it is on this disk. */
  readonly root: string;
  /** Syncs that are left out, to see that they are missed. */
  readonly without?: (path: string) => boolean;
}

export class LossyDisk {
  readonly #root: string;
  readonly #without: (path: string) => boolean;
  readonly #top = new Folder();

  constructor({ root, without = () => false }: LossyOptions) {
    this.#root = root;
    this.#without = without;
  }

  /** @throws for a call that this disk does not know */
  take(call: Call): void {
    const act = this.#acts[call.name];
    if (act === undefined) throw new Error(`a call that is not played: ${call.words.slice(0, 200)}`);
    act(call);
  }

  readonly #acts: Readonly<Record<string, (call: Call) => void>> = {
    openat: (call) => this.#open(call),
    mkdir: (call) => this.#name(nameIn(call, 0), new Folder(), call),
    mkdirat: (call) => this.#name(nameIn(call, 0), new Folder(), call),
    unlink: (call) => this.#name(nameIn(call, 0), undefined, call),
    unlinkat: (call) => this.#name(nameIn(call, 0), undefined, call),
    rmdir: (call) => this.#name(nameIn(call, 0), undefined, call),
    link: (call) => this.#link(call),
    linkat: (call) => this.#link(call),
    rename: (call) => this.#rename(call),
    renameat: (call) => this.#rename(call),
    renameat2: (call) => this.#rename(call),
    write: (call) => this.#append(call),
    writev: (call) => this.#append(call),
    pwrite64: (call) => this.#write(call, numbersOf(call).at(-1)!),
    pwritev: (call) => this.#write(call, numbersOf(call).at(-1)!),
    ftruncate: (call) => this.#truncate(call.path, numbersOf(call).at(-1)!, call.ended),
    fsync: (call) => this.#sync(call),
    fdatasync: (call) => this.#sync(call),
    sendto: () => {},
    sendmsg: () => {},
  };

  #open(call: Call): void {
    const path = nameIn(call, 0);
    if (!/O_CREAT|O_TRUNC/.test(call.words) || !this.#holds(path)) return;
    if (this.#node(path) === undefined) this.#name(path, new Inode(), call);
    else if (call.words.includes("O_TRUNC")) this.#truncate(path, 0, call.ended);
  }

  #name(path: string, node: Node | undefined, { ended }: Call): void {
    const folder = this.#holds(path) ? this.#node(dirname(path)) : undefined;
    if (folder instanceof Folder) folder.put(basename(path), node, ended);
  }

  #link(call: Call): void {
    const [from, to] = [nameIn(call, 0), nameIn(call, 1)];
    const node = this.#holds(from) ? this.#node(from) : undefined;
    if (node !== undefined) this.#name(to, node, call);
  }

  #rename(call: Call): void {
    const [from, to] = [nameIn(call, 0), nameIn(call, 1)];
    const node = this.#holds(from) ? this.#node(from) : undefined;
    if (node === undefined) return;
    this.#name(to, node, call);
    this.#name(from, undefined, call);
  }

  #append(call: Call): void {
    const node = this.#holds(call.path) ? this.#node(call.path) : undefined;
    if (!(node instanceof Inode)) return;
    this.#write(call, node.position);
    node.position += call.result;
  }

  #write(call: Call, at: number): void {
    const node = this.#holds(call.path) ? this.#node(call.path) : undefined;
    if (!(node instanceof Inode)) return;
    const written = new Uint8Array(Buffer.concat(call.strings)).subarray(0, call.result);
    node.pending.push({ ended: call.ended, apply: (to) => to.put(written, at) });
  }

  #truncate(path: string, length: number, ended: number): void {
    const node = this.#holds(path) ? this.#node(path) : undefined;
    if (node instanceof Inode) node.pending.push({ ended, apply: (to) => to.resize(length) });
  }

  #sync({ path, began }: Call): void {
    if (!this.#without(path) && (path === this.#root || this.#holds(path))) this.#node(path)?.sync(began);
  }

  /** What is left now, written into a folder. What was not synced is there, or is not, as chance wills. */
  leave(folder: string, random: Random): void {
    const share = [0, 0.5, 0.9, 1][Math.floor(random.fraction() * 4)]!;
    const happens = () => random.fraction() < share;
    const visit = (from: Folder, at: string): void => {
      mkdirSync(at, { recursive: true });
      for (const [name, node] of from.survivors(happens)) {
        // A log's index is made anew from the log.
        if (node instanceof Folder) visit(node, join(at, name));
        else if (!name.endsWith("-shm")) writeFileSync(join(at, name), node.survivor(happens));
      }
    };
    visit(this.#top, folder);
  }

  #holds(path: string): boolean {
    return path.startsWith(`${this.#root}/`);
  }

  #node(path: string): Node | undefined {
    let node: Node | undefined = this.#top;
    for (const name of relative(this.#root, path).split("/")) {
      if (name === "") continue;
      node = node instanceof Folder ? node.now.get(name) : undefined;
    }
    return node;
  }
}

const nameIn = (call: Call, index: number): string =>
  Buffer.from(call.strings[index] ?? []).toString("latin1");
