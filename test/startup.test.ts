/** `odmr --version` starts at once: what it imports, read from the sources, is next to nothing. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { fromSource } from "../cmd/demo/child.ts";
import manifest from "../package.json" with { type: "json" };
import { odmr } from "./support/cli.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const STATIC = /^(?:import|export)\s+(?!type\s)(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;

/** All that is loaded with a file, before anything of it runs. */
function loadedWith(file: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  if (!/\.tsx?$/.test(file)) return seen;
  for (const [, to = ""] of readFileSync(join(root, file), "utf8").matchAll(STATIC)) {
    if (to.startsWith(".")) loadedWith(relative(root, join(root, dirname(file), to)), seen);
    else seen.add(to);
  }
  return seen;
}

test("the program's frame loads the command line's parser and nothing else from outside", () => {
  const loaded = [...loadedWith("cmd/odmr.ts")];
  const outside = loaded.filter((each) => !/^(cmd|src)\//.test(each));
  assert.deepEqual(outside.sort(), ["@stricli/core", "node:path", "package.json"]);
  assert.ok(loaded.length <= 15, loaded.join(" "));
});

test("the queue and the call load nothing of the admin interface's packages", () => {
  for (const file of ["cmd/queue.ts", "cmd/pull.ts", "cmd/serve.ts", "cmd/admin-http.ts"]) {
    const heavy = [...loadedWith(file)].filter((each) => /^(hono|@hono)(\/|$)/.test(each));
    assert.deepEqual(heavy, [], file);
  }
});

test("the admin interface asks for no module of a runtime: it runs wherever fetch does", () => {
  const loaded = [...loadedWith("src/admin/app.ts")];
  assert.deepEqual(
    loaded.filter((each) => each.startsWith("node:") || each.startsWith("@hono/node-server")),
    [],
  );
});

test("odmr --version --json says it for programs, with the runtime, and without a commit from source", async () => {
  const { status, stdout } = await odmr(["--version", "--json"], { program: fromSource });
  const { runtime, ...rest } = JSON.parse(stdout) as Record<string, string>;
  assert.equal(status, 0);
  assert.match(runtime ?? "", "Deno" in globalThis ? /^deno \d+\.\d+\.\d+$/ : /^bun \d+\.\d+\.\d+$/);
  assert.deepEqual(rest, {
    ...{ name: "odmr", version: manifest.version },
    platform: `${process.platform}-${process.arch}`,
  });
});

test("odmr --version says the one version that package.json has", async () => {
  assert.deepEqual(await odmr(["--version"], { program: fromSource }), {
    status: 0,
    stdout: `odmr ${manifest.version}\n`,
    stderr: "",
  });
});
