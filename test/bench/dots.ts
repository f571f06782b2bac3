/** How fast bodies are read and written: `bun test/bench/dots.ts`, MB/s over 64 KiB pieces. Only ratios within one run count. */
import { Canonical, DotReader, DotWriter, type Out, PlainReader } from "../../src/wire/dots.ts";

const PIECE = 65_536;
const ROUNDS = 2_000;

const filled = (line: string) =>
  new TextEncoder().encode(line.repeat(Math.ceil(PIECE / line.length)).slice(0, PIECE - 2) + line.slice(-2));
const base64 = filled(`${"QUJD".repeat(19)}\r\n`);
const prose = filled("It came to pass. No mail was lost, and none came twice.\r\n");
const dotted = filled(".a line that begins with a dot, as if it were the last one\r\n");
const lines = filled("A file of a Maildir, its lines ended by LF alone...\n\n");

const bodies: readonly (readonly [string, Uint8Array])[] = [
  ["base64", base64],
  ["prose", prose],
  ["dotted", dotted],
];

const ways: readonly (readonly [string, () => (piece: Uint8Array, out: Out) => void])[] = [
  ["DotReader", () => reading(new DotReader("refuse"))],
  ["PlainReader", () => reading(new PlainReader("refuse"))],
  ["DotWriter", () => writing(new DotWriter())],
];

for (const [way, make] of ways) for (const [kind, body] of bodies) measure(`${way}, ${kind}`, body, make());
measure("Canonical, LF lines", lines, writing(new Canonical()));

function reading(reader: { read(bytes: Uint8Array, out: Out): unknown }) {
  return (piece: Uint8Array, out: Out) => void reader.read(piece, out);
}

function writing(writer: { write(bytes: Uint8Array, out: Out): void }) {
  return (piece: Uint8Array, out: Out) => writer.write(piece, out);
}

function measure(name: string, body: Uint8Array, go: (piece: Uint8Array, out: Out) => void): void {
  let pieces = 0;
  const out = () => void pieces++;
  for (let round = 0; round < 100; round++) go(body, out);
  pieces = 0;
  const began = performance.now();
  for (let round = 0; round < ROUNDS; round++) go(body, out);
  const seconds = (performance.now() - began) / 1000;
  const speed = Math.round((body.length * ROUNDS) / 1e6 / seconds);
  console.log(
    `${name.padEnd(24)} ${String(speed).padStart(6)} MB/s  ${(pieces / ROUNDS).toFixed(1)} pieces a chunk`,
  );
}
