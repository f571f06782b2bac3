import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeXtext, encodeXtext } from "../../src/wire/xtext.ts";

test("what is not plain goes as hexadecimal and comes back", () => {
  const pairs = {
    "": "",
    abc: "abc",
    "a+b=c d": "a+2Bb+3Dc+20d",
    "<>": "<>",
    ü: "+C3+BC",
    "\ufeffa": "+EF+BB+BFa",
  };
  for (const [text, xtext] of Object.entries(pairs)) {
    assert.equal(encodeXtext(text), xtext);
    assert.equal(decodeXtext(xtext), text);
  }
});

test("nothing decodes to a control character, and nothing else than xtext decodes", () => {
  for (const bad of [
    "ab+0D+0Acd",
    "+00",
    "+7F",
    "+1B",
    "+",
    "+2",
    "+2b",
    "+GG",
    "a b",
    "a=b",
    "ü",
    "+FF",
    "+C3",
    "a\n",
  ])
    assert.equal(decodeXtext(bad), undefined, JSON.stringify(bad));
});
