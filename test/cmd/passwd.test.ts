import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { readSecret } from "../../src/config/secret.ts";
import { pbkdf2Sha256 } from "../../src/platform/hash.ts";
import { fits, parseVerifier } from "../../src/smtp/sasl/verifier.ts";
import { inFolder, odmr } from "../support/cli.ts";

test("a password file is random, for its owner alone, and printed nowhere", () =>
  inFolder(async (folder) => {
    const files = [join(folder, "a"), join(folder, "b")];
    for (const file of files) {
      const { status, stdout, stderr } = await odmr(["passwd", file]);
      assert.deepEqual(
        { status, stdout, stderr },
        { status: 0, stdout: "", stderr: `Wrote ${file}; only its owner can read it.\n` },
      );
      assert.equal((await stat(file)).mode & 0o777, 0o600);
    }
    const [a, b] = await Promise.all(files.map(readSecret));
    assert.match(a ?? "", /^[A-Za-z0-9_-]{24}$/);
    assert.notEqual(a, b);
  }));

test("a password file that is there stays", () =>
  inFolder(async (folder) => {
    const file = join(folder, "secret");
    await writeFile(file, "mine\n", { mode: 0o600 });
    const { status, stderr } = await odmr(["passwd", file]);
    assert.deepEqual(
      { status, stderr },
      { status: 73, stderr: `odmr: ${file} is there already; name another file, or remove it\n` },
    );
    assert.equal(await readFile(file, "utf8"), "mine\n");
  }));

test("--stdin takes the password from stdin, without its line end", () =>
  inFolder(async (folder) => {
    const file = join(folder, "secret");
    assert.equal((await odmr(["passwd", "--stdin", file], { stdin: "päss word\r\n" })).status, 0);
    assert.equal(await readSecret(file), "päss word");
    assert.equal((await odmr(["passwd", "--stdin"], { stdin: "a\nb\n" })).status, 65);
  }));

test("--scram prints a verifier that fits the password, with another salt each time", () =>
  inFolder(async (folder) => {
    const file = join(folder, "secret");
    await writeFile(file, "hunter2\n", { mode: 0o600 });
    const lines = await Promise.all([
      odmr(["passwd", "--scram", "--from", file]),
      odmr(["passwd", "--scram", "--stdin"], { stdin: "hunter2\n" }),
    ]);
    for (const { status, stdout, stderr } of lines) {
      assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
      const verifier = parseVerifier(stdout.trimEnd());
      assert.ok(verifier !== undefined && fits("hunter2", verifier, pbkdf2Sha256));
    }
    assert.notEqual(lines[0]?.stdout, lines[1]?.stdout);
  }));

test("--scram of a file that others may read is refused", () =>
  inFolder(async (folder) => {
    const file = join(folder, "secret");
    await writeFile(file, "hunter2\n", { mode: 0o644 });
    const { status, stderr } = await odmr(["passwd", "--scram", "--from", file]);
    assert.equal(status, 78);
    assert.match(stderr, /others may read it; chmod 600/);
  }));

test("what makes no sense is a usage error", async () => {
  const lines = [
    ["--scram"],
    ["--from", "a"],
    ["--scram", "--from", "a", "b"],
    ["--scram", "--from", "a", "--stdin"],
  ];
  for (const args of lines) assert.equal((await odmr(["passwd", ...args])).status, 64, args.join(" "));
});
