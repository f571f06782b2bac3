import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { workProgress } from "../../cmd/progress.ts";

function terminal(): { readonly stream: PassThrough; readonly said: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
  const said = (): string => {
    let text = "";
    for (let piece = stream.read(); piece !== null; piece = stream.read()) text += String(piece);
    return text;
  };
  return { stream, said };
}

test("a terminal sees how much is done, of how much where that is known, and nothing stays behind", () => {
  const { stream, said } = terminal();
  const known = workProgress("verify", "octets", stream);
  known.update(1024, 4096);
  known.update(4096, 4096);
  known.end();
  assert.match(said(), /verify .*1\.0K of 4\.0K|verify .*4\.0K of 4\.0K/s);
  const unknown = workProgress("import", "messages", stream);
  unknown.update(1);
  unknown.update(2);
  unknown.end();
  const text = said();
  assert.match(text, /import [12] messages/);
  assert.doesNotMatch(text, /of/);
});

test("work that never began, and what no terminal watches, says nothing", () => {
  const { stream, said } = terminal();
  workProgress("export", "messages", stream).end();
  const pipe = new PassThrough();
  const unseen = workProgress("export", "messages", pipe);
  unseen.update(1, 2);
  unseen.end();
  assert.deepEqual([said(), pipe.read()], ["", null]);
});
