import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { describe, Exit, status, statusOf, UsageError } from "../../cmd/exit.ts";
import { ConfigError } from "../../src/config/error.ts";
import { ConnectionError } from "../../src/net/connection.ts";
import { CallError } from "../../src/relay/callerror.ts";
import { SpoolError } from "../../src/spool/spool.ts";

const system = (): unknown => {
  try {
    return readFileSync("/nowhere/at/all");
  } catch (error) {
    return error;
  }
};

const cases: Readonly<Record<string, readonly [error: unknown, status: number]>> = {
  "a wrong command line": [new UsageError("no"), 64],
  "a wrong configuration": [new ConfigError("no"), 78],
  "a provider that does not answer": [new ConnectionError("refused", "no"), 69],
  "a provider with a wrong certificate": [new ConnectionError("tls", "no"), 69],
  "a line that broke": [new ConnectionError("reset", "no"), 75],
  "an injection": [new ConnectionError("injection", "no"), 76],
  "a call that reaches nobody": [new CallError("unreachable", "no"), 69],
  "a call to be made again": [new CallError("later", "no"), 75],
  "a provider that breaks the protocol": [new CallError("protocol", "no"), 76],
  "a login that is refused": [new CallError("refused", "no"), 77],
  "a full disk": [new SpoolError("full", "no"), 73],
  "a busy spool": [new SpoolError("busy", "no"), 75],
  "a corrupt spool": [new SpoolError("corrupt", "no"), 65],
  "a disk that fails": [new SpoolError("io", "no"), 74],
  "a file that cannot be had": [system(), 74],
  "a command's own word": [new Exit(status.noPermission, "no"), 77],
  "a bug": [new TypeError("no"), 70],
  "something thrown that is no error": ["no", 70],
};

for (const [name, [error, expected]] of Object.entries(cases))
  test(`${name} ends with ${expected}`, () => assert.equal(statusOf(error), expected));

test("what is wrong with the outside is one line, without a stack", () => {
  assert.equal(
    describe(new ConnectionError("refused", "relay:366 refuses; is it up?"), false),
    "odmr: relay:366 refuses; is it up?",
  );
});

test("every problem of a configuration is told", () => {
  assert.equal(describe(new ConfigError(["a:1:1: b", "a:2:1: c"]), false), "a:1:1: b\na:2:1: c");
});

test("a bug says how to see its place, and shows it when asked, with its cause", () => {
  const bug = new TypeError("x is undefined", { cause: new Error("deeper") });
  assert.equal(describe(bug, false), "odmr: a bug: x is undefined; set ODMR_DEBUG=1 to see where");
  assert.match(describe(bug, true), /x is undefined[\s\S]*exit\.test\.ts[\s\S]*caused by [\s\S]*deeper/);
});
