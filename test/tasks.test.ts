/** Who has Deno alone works on the project by deno task. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import deno from "../deno.json" with { type: "json" };
import manifest from "../package.json" with { type: "json" };
import { run } from "./support/processes.ts";

it("to start, to test and to check is a script and a task", () => {
  for (const each of [manifest.scripts, deno.tasks])
    assert.deepEqual(
      ["start", "test", "check"].filter((name) => !Object.hasOwn(each, name)),
      [],
    );
});

it("deno task odmr is the program, also where Deno came from npm", {
  skip: !("Deno" in globalThis) && "it is Deno's",
}, async () => {
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { status, stdout } = await run(process.execPath, ["task", "odmr", "--version"], { cwd });
  assert.deepEqual({ status, stdout }, { status: 0, stdout: `odmr ${manifest.version}\n` });
});
