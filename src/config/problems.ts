/** A problem of a configuration file and how it is told: `file:line:column: key.path: what is wrong; what to write`. */

import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type LineCounter, type Node } from "yaml";

export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: Path;
  /** What is wrong; what to write. */
  readonly message: string;
  /** The key itself is wrong, not what stands behind it. */
  readonly of?: "key";
}

/** One line a problem, in the order of the file. */
export function tell(
  problems: readonly Problem[],
  file: string,
  { document, lines }: { readonly document: Document; readonly lines: LineCounter },
): readonly string[] {
  return problems
    .map((problem) => ({ ...problem, offset: offsetOf(problem, document) }))
    .sort((a, b) => a.offset - b.offset)
    .map(({ path, message, offset }) => {
      const { line, col } = lines.linePos(offset);
      return `${file}:${line}:${col}: ${path.length > 0 ? `${format(path)}: ` : ""}${message}`;
    });
}

/** `serve.customers[0].domains` */
export function format(path: Path): string {
  return path.reduce<string>(
    (text, step) => (typeof step === "number" ? `${text}[${step}]` : text === "" ? step : `${text}.${step}`),
    "",
  );
}

/** The keys of a path, without positions in lists. */
export const keysOf = (path: Path): readonly string[] => path.filter((step) => typeof step === "string");

/** Where the problem stands, or the nearest place around what is missing. */
function offsetOf({ path, of }: Problem, document: Document): number {
  let at: Node | null = document.contents;
  let offset = at?.range?.[0] ?? 0;
  for (const [i, step] of path.entries()) {
    const { key, value } = stepInto(at, step, document);
    const next: Node | null = of === "key" && i === path.length - 1 ? key : value;
    if (next?.range == null) return key?.range?.[0] ?? offset;
    offset = next.range[0];
    at = value;
  }
  return offset;
}

function stepInto(
  at: Node | null,
  step: string | number,
  document: Document,
): { readonly key: Node | null; readonly value: Node | null } {
  const here = isAlias(at) ? at.resolve(document) : at;
  if (isSeq(here)) return { key: null, value: nodeOrNull(here.items[Number(step)]) };
  if (!isMap(here)) return { key: null, value: null };
  const pair = here.items.find(({ key }) => (isScalar(key) ? String(key.value) : key) === step);
  return { key: nodeOrNull(pair?.key), value: nodeOrNull(pair?.value) };
}

const nodeOrNull = (thing: unknown): Node | null => (isNode(thing) ? thing : null);
