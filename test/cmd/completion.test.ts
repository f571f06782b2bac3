import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { odmr } from "../support/cli.ts";

/** What the bash script offers behind these words; the last one is being typed. */
function offered(script: string, ...words: string[]): readonly string[] {
  const ask = `${script}\nCOMP_WORDS=(odmr "$@"); COMP_CWORD=$#; _odmr; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["-c", ask, "bash", ...words], { encoding: "utf8" });
  assert.equal(stderr, "");
  return stdout.split("\n").filter((word) => word !== "");
}

test("bash completes commands, options and their values, in their place", async () => {
  const { status, stdout: script } = await odmr(["completion", "bash"]);
  assert.equal(status, 0);
  assert.deepEqual(offered(script, "ch"), ["check"]);
  assert.deepEqual(offered(script, "check", "--j"), ["--json"]);
  assert.deepEqual(offered(script, "serve", "--log", ""), ["text", "json"]);
  assert.deepEqual(offered(script, "serve", "--log-level", "w"), ["warn"]);
  assert.deepEqual(offered(script, "queue", "li"), ["list"]);
  assert.deepEqual(offered(script, "check", "--config", "q"), []);
});

for (const shell of ["bash", "zsh", "fish"])
  test(`the script for ${shell} is for that shell and knows every command`, async () => {
    const { status, stdout, stderr } = await odmr(["completion", shell]);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    for (const word of ["serve", "pull", "queue", "log-level"]) assert.ok(stdout.includes(word), word);
    if (spawnSync(shell, ["--version"]).status === 0)
      assert.equal(spawnSync(shell, ["-n"], { input: stdout }).status, 0);
  });

test("a shell that is not known is a usage error, with those that are", async () => {
  const { status, stderr } = await odmr(["completion", "tcsh"]);
  assert.equal(status, 64);
  assert.match(stderr, /"tcsh" is none of bash, zsh, fish/);
});
