/** What a program asked of the system, read from a recording of strace: names, octets and order. */
// `-f -y -xx -s BIG`: every string is hexadecimal, every descriptor is followed by its path; a line is a moment.

/** One call that succeeded, at the line where it began and at the one where it ended. */
export interface Call {
  readonly name: string;
  /** What its descriptor stands for; empty: it has none. */
  readonly path: string;
  /** Its other strings: names, and octets. */
  readonly strings: readonly Uint8Array[];
  readonly words: string;
  readonly result: number;
  readonly began: number;
  readonly ended: number;
}

export const OPTIONS = ["-D", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "20000000"] as const;

/** Calls that another thread's interrupt are two lines: `… <unfinished ...>` and `<... name resumed> …`. */
export function* callsIn(recording: string): Generator<Call> {
  const open = new Map<string, { words: string; began: number }>();
  for (const [at, line] of recording.split("\n").entries()) {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/s.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>/.exec(rest);
    const before = resumed ? open.get(thread) : undefined;
    if (before !== undefined) open.delete(thread);
    const words = (before?.words ?? "") + (resumed ? rest.slice(resumed[0].length) : rest);
    if (words.endsWith(" <unfinished ...>"))
      open.set(thread, { words: words.slice(0, -" <unfinished ...>".length), began: at });
    else if (!resumed || before) yield* callOf(words, before?.began ?? at, at);
  }
}

function* callOf(words: string, began: number, ended: number): Generator<Call> {
  const [, name = ""] = /^(\w+)\(/.exec(words) ?? [];
  const [, result = "-1"] = /\) += (-?\d+)[^=]*$/.exec(words) ?? [];
  if (name === "" || result === "-1") return;
  const [, path = ""] = /^\w+\(\d+<([^>]*)>/.exec(words) ?? [];
  const strings = [...words.matchAll(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g)].map(([, hex = "", more]) => {
    if (more !== undefined) throw new Error(`strace has left something out: ${words.slice(0, 80)}`);
    return octets(hex);
  });
  yield { name, path: text(octets(path)), strings, words, result: Number(result), began, ended };
}

const octets = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll("\\x", ""), "hex"));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** The numbers behind the last string. */
export function numbersOf({ words }: Call): readonly number[] {
  const [, behind = ""] = /(?:"|\]|>)((?:, \d+)*)\) += -?\d/.exec(words) ?? [];
  return behind.split(", ").slice(1).map(Number);
}
