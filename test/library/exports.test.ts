/** What others build on: the same entry points for npm and JSR, and in each of them the names that are promised. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import deno from "../../deno.json" with { type: "json" };
import npm from "../../package.json" with { type: "json" };
import { run } from "../support/processes.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Values; types are the compiler's to hold. */
const promised: Readonly<Record<string, string>> = {
  "./smtp":
    "ITERATIONS SaslError clientAuth clientSession formatVerifier makeVerifier parseVerifier portablePbkdf2 " +
    "renewedClientSession renewedServerSession serverAuth serverMechanisms serverSession",
  "./wire":
    "LINE_LIMIT ReplyReader ReplySyntaxError domainOf formatCommand formatReply isAscii isDomain isPermanent " +
    "isPositive isTransient localOf matchesGlob parseAddress parseCommand parseDomainList parsePath reply replyLine",
  "./mail":
    "HeaderGlance authenticationResults canonical composeNotice deliveredTo mailDate protocolOf readContents " +
    "received returnPath",
  "./spool": "HISTORY SpoolError openSpool post systemFiles verify",
  "./admin": "adminApp",
  "./platform": "pause silent systemClock systemRandom",
};

describe("the library", () => {
  it("is the same for npm and for JSR", () => {
    assert.deepEqual([deno.version, deno.license], [npm.version, npm.license]);
    const { "./package.json": _, ...entries } = npm.exports;
    const fromSource = Object.entries(entries).map(([name, { types, default: code }]) => {
      assert.equal(types, code.replace(/\.js$/, ".d.ts"));
      return [name, code.replace("./dist/npm/", "./").replace(/\.js$/, ".ts")];
    });
    assert.deepEqual(Object.fromEntries(fromSource), deno.exports);
  });

  for (const [entry, file] of Object.entries(deno.exports))
    it(`odmr${entry.slice(1)} has what is promised, and says what it is for`, async () => {
      const module = (await import(new URL(`../../${file}`, import.meta.url).href)) as object;
      assert.equal(Object.keys(module).sort().join(" "), promised[entry]);
      const [, words = ""] = /^\/\*\*\n \* (.*?)\*\//s.exec(readFileSync(`${root}/${file}`, "utf8")) ?? [];
      assert.match(words, /@example\b.*@module\b/s);
    });

  // deno publish is Deno's own.
  it("is fit for JSR: all that it exports has its type written down", {
    skip: !("Deno" in globalThis),
  }, async () => {
    const args = ["publish", "--dry-run", "--allow-dirty", "--no-check"];
    const { status, stderr } = await run(process.execPath, args, { cwd: root, env: { NO_COLOR: "1" } });
    assert.match(stderr, /Success Dry run complete/);
    assert.equal(status, 0);
    assert.doesNotMatch(stderr, /^(warning|error)/m);
    for (const file of Object.values(deno.exports)) assert.match(stderr, new RegExp(file.slice(1)));
  });
});
