import assert from "node:assert/strict";
import { test } from "node:test";
import { isDomain, lowerAscii, parseDomainList } from "../../src/wire/domain.ts";

test("a domain has two labels or more, of letters, digits and hyphens inside", () => {
  for (const good of ["a.test", "A-1.b.TEST", "xn--bcher-kva.example", "1.2", `${"a".repeat(63)}.test`])
    assert.ok(isDomain(good), good);
  for (const bad of [
    "",
    ".",
    "test",
    "a.test.",
    ".a.test",
    "a..test",
    "-a.test",
    "a-.test",
    "a_b.test",
    "*.test",
    "@a.test",
    "[1.2.3.4]",
    "../../etc",
    "a.test\0b",
    "a.test\n",
    "bücher.example",
    `${"a".repeat(64)}.test`,
    `${"a.".repeat(128)}test`,
  ])
    assert.ok(!isDomain(bad), JSON.stringify(bad));
});

test("a list of domains is read in lower case, each once, in its order", () => {
  assert.deepEqual(parseDomainList("B.test,a.TEST"), ["b.test", "a.test"]);
  assert.deepEqual(parseDomainList("a.test, b.test,  A.test"), ["a.test", "b.test"]);
  for (const bad of [
    "",
    ",",
    "a.test,",
    ",a.test",
    "a.test,,b.test",
    "a.test b.test",
    " a.test",
    "a.test ,b.test",
  ])
    assert.equal(parseDomainList(bad), undefined, bad);
});

test("only A to Z have a lower case", () => {
  assert.equal(lowerAscii("ABC-Ü\u212a"), "abc-Ü\u212a");
});
