/** Who may import whom: the architecture, read from the imports themselves. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** A folder of src/, and the folders whose code it may import beside its own. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  platform: [],
  smtp: ["wire"],
  mail: ["wire"],
  config: ["wire"],
  net: ["smtp", "wire"],
  delivery: ["net", "mail", "smtp", "wire"],
  spool: ["mail", "wire"],
  checks: ["net", "mail", "wire"],
  acme: ["net"],
  relay: ["checks", "delivery", "spool", "net", "mail", "smtp", "wire"],
  admin: ["relay", "spool", "mail", "wire"],
  // What others may build on: names of the rest, and nothing of its own.
  library: ["admin", "relay", "delivery", "spool", "mail", "smtp", "wire"],
};

/** Single files that are open to more: what an interface says is no implementation. */
const mayAlso: readonly (readonly [from: RegExp, to: RegExp])[] = [
  // Whoever opens a spool gives it the machine's files.
  [/^src\/library\/spool\.ts$/, /^src\/platform\/files\.ts$/],
  // The interfaces of clock, random and log, with what is no more than they.
  [/^src\/(?!wire\/|smtp\/)/, /^src\/platform\/(clock|random|log)\.ts$/],
  [/^src\/spool\//, /^src\/platform\/(sqlite|files|hash|memory)\.ts$/],
  [/^src\/delivery\//, /^src\/platform\/files\.ts$/],
  // Keys and certificates are made, and kept in files that are whole or not there.
  [/^src\/acme\//, /^src\/platform\/(selfsigned|newfile|capped)\.ts$/],
  // Whose octets they are, from the network to the disk.
  [/^src\/net\//, /^src\/platform\/memory\.ts$/],
  // A spool hands out parcels and takes outcomes: delivery's words, not its code.
  [/^src\/spool\//, /^src\/delivery\/delivery\.ts$/],
  [/^src\/(relay|admin|spool)\//, /^src\/version\.ts$/],
  // "10MiB" is one thing in the configuration and in a query.
  [/^src\/admin\//, /^src\/config\/units\.ts$/],
  // A shared spool's address is checked where it is written, by what reads it where it is opened.
  [/^src\/config\//, /^src\/spool\/postgres\/address\.ts$/],
  // What the admin interface says is read by its other end.
  [/^src\/spool\/remote\.ts$/, /^src\/admin\/schema\.ts$/],
  [/^src\/version\.ts$/, /^package\.json$/],
];

/** What may run in any web runtime: no node:, no globals of one runtime, no clock, no chance, no promise. */
const ANYWHERE = /^src\/(wire|smtp)\//;
const NOT_ANYWHERE =
  /\b(Buffer|process|Bun|Deno|Promise|async|await|setTimeout|setInterval|performance|Date|crypto)\b|\bMath\.random\b/;

const LINES_AT_MOST = 400;

interface Import {
  readonly from: string;
  /** A file of the project, or a package. */
  readonly to: string;
  readonly own: boolean;
  readonly typeOnly: boolean;
  readonly lazy: boolean;
}

const STATIC = /^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;
const LAZY = /\bimport\(\s*"([^"]+)"/g;

const files = ["src", "cmd"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((name) => /\.tsx?$/.test(name))
    .sort(),
);
const sources = new Map(files.map((file) => [file, readFileSync(join(root, file), "utf8")]));
const imports = files.flatMap(importsOf);

function importsOf(from: string): readonly Import[] {
  const source = sources.get(from) ?? "";
  return [
    ...[...source.matchAll(STATIC)].map(([, type, to = ""]) => ({
      to,
      typeOnly: type !== undefined,
      lazy: false,
    })),
    ...[...source.matchAll(LAZY)].map(([, to = ""]) => ({ to, typeOnly: false, lazy: true })),
  ].map(({ to, ...how }) => {
    const own = to.startsWith(".");
    return { from, to: own ? relative(root, join(root, dirname(from), to)) : to, own, ...how };
  });
}

const shown = ({ from, to }: Import): string => `${from} → ${to}`;
const folderOf = (file: string): string => file.split("/")[1] ?? "";

function isAllowed({ from, to, typeOnly }: Import): boolean {
  if (from.startsWith("cmd/")) return true;
  if (!to.startsWith("src/") && to !== "package.json") return false;
  const allowed = mayImport[folderOf(from)] ?? [];
  return (
    folderOf(from) === folderOf(to) ||
    allowed.includes(folderOf(to)) ||
    (typeOnly && folderOf(to) === "platform" && !ANYWHERE.test(from)) ||
    mayAlso.some(([source, target]) => source.test(from) && target.test(to))
  );
}

describe("the project", () => {
  test("has imports to read", () => assert.ok(imports.length > 50));

  test("imports only from where each folder may", () => {
    assert.deepEqual(imports.filter((each) => each.own && !isAllowed(each)).map(shown), []);
  });

  test("names its own files with their ending, and Node's modules with node:", () => {
    const bare =
      /^(assert|buffer|child_process|crypto|dns|events|fs|http|net|os|path|stream|tls|url|util)(\/|$)/;
    assert.deepEqual(
      imports
        .filter(({ own, to }) => (own ? !/\.(tsx?|json|css|js|svg)$/.test(to) : bare.test(to)))
        .map(shown),
      [],
    );
  });

  test("keeps sessions and grammar free of any one runtime", () => {
    const node = imports.filter(({ from, to }) => ANYWHERE.test(from) && to.startsWith("node:")).map(shown);
    const words = files.filter(
      (file) => ANYWHERE.test(file) && NOT_ANYWHERE.test(codeOf(sources.get(file) ?? "")),
    );
    assert.deepEqual([...node, ...words], []);
  });

  test("does not use what it gives to others: the library is its outside", () => {
    const inward = imports.filter(
      ({ from, to }) => to.startsWith("src/library/") && !from.startsWith("src/library/"),
    );
    assert.deepEqual(inward.map(shown), []);
  });

  test("has no import cycle", () => {
    const uses = new Map<string, readonly string[]>();
    for (const file of files)
      uses.set(
        file,
        imports
          .filter(({ from, own, lazy, typeOnly }) => from === file && own && !lazy && !typeOnly)
          .map(({ to }) => to),
      );
    assert.deepEqual(cyclesIn(uses), []);
  });

  test("has no file of more lines than one can hold in mind", () => {
    const long = files.filter((file) => file.startsWith("src/") && linesOf(file) > LINES_AT_MOST);
    assert.deepEqual(long, []);
  });

  test("exports by name alone", () => {
    assert.deepEqual(
      files.filter((file) => /^export default /m.test(sources.get(file) ?? "")),
      [],
    );
  });
});

const linesOf = (file: string): number => (sources.get(file) ?? "").split("\n").length - 1;

/** A source without its comments and texts. */
function codeOf(source: string): string {
  return source
    .replace(/\/\*.*?\*\//gs, "")
    .replace(/"(?:[^"\\\n]|\\.)*"|`[^`]*`/g, '""')
    .replace(/\/\/.*$/gm, "");
}

/** Each cycle, as the way around it. */
function cyclesIn(uses: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const again = way.indexOf(file);
    if (again >= 0) cycles.push([...way.slice(again), file].join(" → "));
    if (again >= 0 || done.has(file)) return;
    for (const next of uses.get(file) ?? []) visit(next, [...way, file]);
    done.add(file);
  };
  for (const file of uses.keys()) visit(file, []);
  return cycles;
}
