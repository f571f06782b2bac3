import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  type BareLineEnds,
  Canonical,
  DotReader,
  DotWriter,
  type Out,
  PlainReader,
} from "../../src/wire/dots.ts";

const latin1 = (octets: Uint8Array) => Buffer.from(octets).toString("latin1");
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

/** Numbers that look random and are the same in every run. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function* everyCut(stream: Uint8Array): Generator<Uint8Array[]> {
  for (let cut = 0; cut <= stream.length; cut++) yield [stream.subarray(0, cut), stream.subarray(cut)];
  yield Array.from(stream, (_, i) => stream.subarray(i, i + 1));
}

function randomPieces(stream: Uint8Array, roll: (below: number) => number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const size = 1 + roll(roll(4) === 0 ? 4000 : 40);
    pieces.push(stream.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

function gather(write: (out: Out) => void): Uint8Array {
  const pieces: Uint8Array[] = [];
  write((piece) => pieces.push(piece));
  return Buffer.concat(pieces);
}

function readDots(bare: BareLineEnds, pieces: readonly Uint8Array[]) {
  const reader = new DotReader(bare);
  let used = 0;
  const body = gather((out) => {
    for (const piece of pieces) if (!reader.done) used += reader.read(piece, out);
  });
  if (bare === "normalise" || !reader.bare) assert.equal(reader.octets, body.length);
  return { body: latin1(body), used, done: reader.done, bare: reader.bare };
}

function readPlain(bare: BareLineEnds, pieces: readonly Uint8Array[]) {
  const reader = new PlainReader(bare);
  const body = gather((out) => {
    for (const piece of pieces) reader.read(piece, out);
    reader.finish(out);
  });
  assert.equal(reader.octets, body.length);
  return { body: latin1(body), bare: reader.bare };
}

function canonical(pieces: readonly Uint8Array[]): Uint8Array {
  const writer = new Canonical();
  return gather((out) => {
    for (const piece of pieces) writer.write(piece, out);
    writer.end(out);
  });
}

function writeDots(pieces: readonly Uint8Array[]): Uint8Array {
  const writer = new DotWriter();
  return gather((out) => {
    for (const piece of pieces) writer.write(piece, out);
    writer.end(out);
  });
}

/** What canonical means, said the slow way. */
const slowlyCanonical = (text: string) => {
  const lines = text.replace(/\r\n|\r|\n/g, "\r\n");
  return lines === "" || lines.endsWith("\r\n") ? lines : `${lines}\r\n`;
};

const SMUGGLED = [
  "\n.\n",
  "\n.\r\n",
  "\r\n.\n",
  "\r.\r",
  "\r.\n",
  "\n.\r",
  "\r.\r\n",
  "\r\n.\r",
  "\r\n\0.\r\n",
  "\r\n.\0\r\n",
  "\r\n.\r\r\n",
  "\r\r\n.\r\r\n",
];
const EVIL = "MAIL FROM:<evil@x>\r\nRCPT TO:<v@y>\r\nDATA\r\nevil\r\n";
const END = "\r\n.\r\n";

const folder = process.env.ODMR_CORPUS ?? join(import.meta.dirname, "../../../shared/corpus");
const corpus = (existsSync(folder) ? ["list", "odd"] : []).flatMap((kind) =>
  readdirSync(join(folder, kind)).map((name) => ({
    name: `${kind}/${name}`,
    mail: new Uint8Array(readFileSync(join(folder, kind, name))),
  })),
);

describe("DotReader", () => {
  test("takes dots off and ends at CRLF.CRLF, wherever the stream is cut", () => {
    const stream = bytes("a\r\n..b\r\n.c\r\n...\r\n\r\n. \r\nx.y\r\n.\r\nQUIT\r\n");
    for (const pieces of everyCut(stream))
      assert.deepEqual(readDots("refuse", pieces), {
        body: "a\r\n.b\r\nc\r\n..\r\n\r\n \r\nx.y\r\n",
        used: stream.length - 6,
        done: true,
        bare: false,
      });
  });

  test("takes a dot right behind 354 for the empty message", () => {
    for (const pieces of everyCut(bytes(".\r\nRSET\r\n")))
      assert.deepEqual(readDots("refuse", pieces), { body: "", used: 3, done: true, bare: false });
  });

  test("never ends a body early, and puts out nothing behind a bare CR or LF that it refuses", () => {
    for (const pattern of SMUGGLED) {
      const stream = bytes(`text${pattern}${EVIL}${END}NOOP\r\n`);
      for (const pieces of everyCut(stream)) {
        const { body, used, done, bare } = readDots("refuse", pieces);
        const what = JSON.stringify(pattern);
        assert.deepEqual({ used, done }, { used: stream.length - 6, done: true }, what);
        assert.equal(bare, !pattern.includes("\0"), what);
        if (bare) assert.ok(!body.includes("MAIL"), what);
      }
    }
  });

  test("makes CRLF of bare line ends where it is told to, and no final dot of them", () => {
    for (const pattern of SMUGGLED) {
      const stream = bytes(`text${pattern}${EVIL}${END}`);
      const plain = `text${pattern.replace("\r\n.", "\r\n")}${EVIL}\r\n`;
      for (const pieces of everyCut(stream))
        assert.deepEqual(readDots("normalise", pieces), {
          body: slowlyCanonical(plain),
          used: stream.length,
          done: true,
          bare: !pattern.includes("\0"),
        });
    }
  });

  test("gives a chunk without dots back as one piece, the same octets and no copy", () => {
    const chunk = bytes("0123456789\r\n".repeat(5000));
    const pieces: Uint8Array[] = [];
    const reader = new DotReader("refuse");
    reader.read(chunk, (piece) => pieces.push(piece));
    assert.equal(pieces.length, 1);
    assert.equal(pieces[0]?.buffer, chunk.buffer);
    assert.equal(pieces[0]?.length, chunk.length);
  });
});

describe("PlainReader", () => {
  test("leaves dots alone and adds the last line end", () => {
    for (const pieces of everyCut(bytes(".\r\n..a\r\n.\r\nb")))
      assert.deepEqual(readPlain("refuse", pieces), { body: ".\r\n..a\r\n.\r\nb\r\n", bare: false });
    assert.deepEqual(readPlain("refuse", []), { body: "", bare: false });
  });

  test("takes a CR at the end of a chunk and an LF at the next one's begin for one line end", () => {
    assert.deepEqual(readPlain("refuse", [bytes("a\r"), bytes("\nb\r\n")]), {
      body: "a\r\nb\r\n",
      bare: false,
    });
    assert.deepEqual(readPlain("refuse", [bytes("a\r")]), { body: "a", bare: true });
    assert.deepEqual(readPlain("normalise", [bytes("a\r")]), { body: "a\r\n", bare: true });
  });

  test("meets every bare line end, wherever the stream is cut", () => {
    for (const pattern of SMUGGLED) {
      const bare = !pattern.includes("\0");
      const stream = `text${pattern}${EVIL}`;
      for (const pieces of everyCut(bytes(stream))) {
        assert.equal(readPlain("refuse", pieces).bare, bare);
        assert.deepEqual(readPlain("normalise", pieces), { body: slowlyCanonical(stream), bare });
      }
    }
  });
});

describe("Canonical", () => {
  test("makes CRLF of every line end and adds the last one, wherever the file is cut", () => {
    const roll = dice(7);
    for (let round = 0; round < 200; round++) {
      const file = Array.from({ length: roll(12) }, () => ["\r", "\n", ".", "a", "\r\n"][roll(5)]).join("");
      for (const pieces of everyCut(bytes(file)))
        assert.equal(latin1(canonical(pieces)), slowlyCanonical(file));
    }
  });

  test("makes one piece of a whole chunk", () => {
    const pieces: Uint8Array[] = [];
    new Canonical().write(bytes("a\nb\nc\n"), (piece) => pieces.push(piece));
    assert.deepEqual(pieces.map(latin1), ["a\r\nb\r\nc\r\n"]);
  });
});

describe("DotWriter", () => {
  test("doubles each dot at a line's start and ends with the final one, wherever the body is cut", () => {
    for (const pieces of everyCut(bytes(".\r\n..a\r\nb.\r\n.\r\n")))
      assert.equal(latin1(writeDots(pieces)), "..\r\n...a\r\nb.\r\n..\r\n.\r\n");
    for (const pieces of everyCut(bytes("a"))) assert.equal(latin1(writeDots(pieces)), "a\r\n.\r\n");
    assert.equal(latin1(writeDots([])), ".\r\n");
  });

  test("makes no final dot of a body that is not canonical", () => {
    for (const pattern of SMUGGLED)
      for (const pieces of everyCut(bytes(`text${pattern}${EVIL}`)))
        assert.doesNotMatch(latin1(writeDots(pieces)).slice(0, -5), /[\r\n]\.[\r\n]/);
  });
});

describe("real mail", () => {
  test("comes through canonical, written and read back, cut at random", { skip: corpus.length === 0 }, () => {
    const roll = dice(2645);
    for (const { name, mail } of corpus) {
      const whole = slowlyCanonical(latin1(mail));
      const stored = canonical(randomPieces(mail, roll));
      assert.equal(latin1(stored), whole, name);
      const sent = writeDots(randomPieces(stored, roll));
      const read = readDots("refuse", randomPieces(sent, roll));
      assert.deepEqual(read, { body: whole, used: sent.length, done: true, bare: false }, name);
      assert.deepEqual(readPlain("refuse", randomPieces(stored, roll)), { body: whole, bare: false }, name);
      assert.equal(readPlain("normalise", randomPieces(mail, roll)).body, whole, name);
    }
  });

  test("of nothing but bare line ends takes no longer than any other", { timeout: 20_000 }, () => {
    for (const octet of ["\n", "\r", "."]) {
      const flood = bytes(octet.repeat(1_000_000));
      readDots("normalise", [flood]);
      readDots("refuse", [flood]);
      canonical([flood]);
      writeDots([flood]);
    }
  });
});
