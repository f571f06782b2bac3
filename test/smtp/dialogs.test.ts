import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parseDialog, play } from "../support/dialog.ts";

const folder = new URL("../dialogs/", import.meta.url);
const dialogs = readdirSync(folder).filter((name) => name.endsWith(".txt"));

/** Small, seeded, good enough to choose where to cut. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function cutAtRandom(seed: number): (says: Uint8Array) => readonly Uint8Array[] {
  const random = seeded(seed);
  return (says) => {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < says.length; ) {
      const end = at + 1 + Math.floor(random() * 12);
      pieces.push(says.subarray(at, end));
      at = end;
    }
    return pieces;
  };
}

describe("the golden dialogs", () => {
  it("are there", () => assert.ok(dialogs.length >= 12));
  for (const name of dialogs) {
    const dialog = parseDialog(readFileSync(new URL(name, folder), "utf8"));
    it(`${name} is spoken whole`, () => play(dialog, (says) => [says]));
    if (name.startsWith("across") || name.startsWith("starttls")) continue;
    it(`${name} is spoken one octet at a time`, () =>
      play(dialog, (says) => Array.from(says, (_, i) => says.subarray(i, i + 1))));
    it(`${name} is spoken in pieces`, () => {
      for (let seed = 1; seed <= 40; seed++) play(dialog, cutAtRandom(seed));
    });
  }
});
