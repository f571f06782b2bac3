/** `odmr --version` starts at once: what it imports, read from the sources, is next to nothing. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };
import { odmr } from "./support/cli.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const STATIC = /^(?:import|export)\s+(?!type\s)(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;

/** All that is loaded with a file, before anything of it runs. */
function loadedWith(file: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  if (!file.endsWith(".ts")) return seen;
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

test("odmr --version says the one version that package.json has", async () => {
  assert.deepEqual(await odmr(["--version"]), {
    status: 0,
    stdout: `odmr ${manifest.version}\n`,
    stderr: "",
  });
});
