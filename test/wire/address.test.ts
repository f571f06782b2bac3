import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { domainOf, isAscii, localOf, matchesGlob, parseAddress, parsePath } from "../../src/wire/address.ts";

describe("a path", () => {
  const good: Readonly<Record<string, string>> = {
    "<>": "",
    "<a@b.test>": "a@b.test",
    "<A.B@C.TEST>": "A.B@c.test",
    "<postmaster>": "postmaster",
    "<POSTMASTER>": "postmaster",
    "<user@localhost>": "user@localhost",
    "<a!b%c=d/e+f@b.test>": "a!b%c=d/e+f@b.test",
    "<a..b.@b.test>": "a..b.@b.test",
    '<"bob"@b.test>': "bob@b.test",
    '<"b\\ob"@b.test>': "bob@b.test",
    '<"a b"@c.test>': '"a b"@c.test',
    '<"v@other"@ours.test>': '"v@other"@ours.test',
    '<"a>b"@c.test>': '"a>b"@c.test',
    '<"a\\"b"@c.test>': '"a\\"b"@c.test',
    '<""@c.test>': '""@c.test',
    "<@a.test,@b.test:c@d.test>": "c@d.test",
    "<v@[192.0.2.1]>": "v@[192.0.2.1]",
    "<v@[IPv6:2001:db8::1]>": "v@[ipv6:2001:db8::1]",
    "<ü@ü.test>": "ü@ü.test",
    "<a@x_y.test>": "a@x_y.test",
  };
  for (const [path, address] of Object.entries(good))
    test(`${path} is "${address}"`, () => {
      assert.deepEqual(parsePath(path), { address, rest: "" });
      assert.deepEqual(parsePath(`${path} X=1`), { address, rest: " X=1" });
      // One spelling: what was read is read as itself.
      assert.equal(parsePath(`<${address}>`)?.address, address);
    });

  for (const path of [
    "",
    "a@b.test",
    "<a@b.test",
    "<a>",
    "<@b.test>",
    "<a@>",
    "<a@b.>",
    "<a@.b>",
    "<a@b..c>",
    "<a@-b.test>",
    "<a@b-.test>",
    "<v@other@ours.test>",
    "<a b@c.test>",
    "< a@c.test>",
    "<a@c.test >",
    "<a@c d.test>",
    '<"a@b.test>',
    '<"a"b@c.test>',
    '<a"b"@c.test>',
    "<a\\b@c.test>",
    "<a@[1.2.3.4>",
    "<a@[]>",
    "<a@[1.2.3.4].test>",
    "<@a.test:>",
    "<@a.test,b.test:c@d.test>",
    "<a,b@c.test>",
    "<a@b.test\0>",
    "<a\r\n@b.test>",
    "<a\u200b@b.test>",
    "<a@b\u3002test>",
    "<a\u00a0b@c.test>",
    "<a@b\u202etest>",
  ])
    test(`${JSON.stringify(path)} is none`, () => assert.equal(parsePath(path), undefined));

  test("has 64 octets of local part and 255 of domain at most", () => {
    const domain = `${"d.".repeat(127)}d`;
    assert.equal(parseAddress(`${"l".repeat(64)}@${domain}`), `${"l".repeat(64)}@${domain}`);
    assert.equal(parseAddress(`${"l".repeat(65)}@b.test`), undefined);
    assert.equal(parseAddress(`${"ü".repeat(33)}@b.test`), undefined);
    assert.equal(parseAddress(`a@d${domain}`), undefined);
  });
});

test("an address is divided at its last @", () => {
  assert.deepEqual([localOf("a@b.test"), domainOf("a@b.test")], ["a", "b.test"]);
  assert.deepEqual([localOf('"a@b"@c.test'), domainOf('"a@b"@C.test')], ['"a@b"', "c.test"]);
  assert.deepEqual([localOf(""), domainOf("")], ["", ""]);
  assert.deepEqual([localOf("postmaster"), domainOf("postmaster")], ["postmaster", ""]);
});

test("a domain keeps what only looks like ASCII in lower case", () => {
  assert.equal(parseAddress("a@\u212aELVIN.test"), "a@\u212aelvin.test");
});

test("an address with other than ASCII is told apart", () => {
  assert.deepEqual(["a@b.test", "", "ü@b.test"].map(isAscii), [true, true, false]);
});

describe("a glob", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["*", "", true],
    ["*", "a@b.test", true],
    ["", "", true],
    ["", "a", false],
    ["a@b.test", "A@B.test", true],
    ["SALES*@b.test", "sales-eu@b.test", true],
    ["*@b.test", "a@c.test", false],
    ["*@b.test", "a@b.test.evil", false],
    ["?@b.test", "a@b.test", true],
    ["?@b.test", "ab@b.test", false],
    ["a*b*c", "aXbXbXc", true],
    ["a*b*c", "aXbXbX", false],
    ["*.*", "a@b", false],
    ["a.b@c", "axb@c", false],
    ["**a?*", "xab", true],
  ];
  for (const [pattern, address, fits] of cases)
    test(`"${pattern}" ${fits ? "fits" : "does not fit"} "${address}"`, () =>
      assert.equal(matchesGlob(pattern, address), fits));

  test("of many stars is no slower than any other", { timeout: 5_000 }, () => {
    const address = `${"a".repeat(320)}@b.test`;
    for (let round = 0; round < 100; round++) assert.ok(!matchesGlob(`${"*a".repeat(100)}*c`, address));
  });
});
