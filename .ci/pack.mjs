#!/usr/bin/env node
// Makes dist/npm for npm pack and npm publish: the program and the library as JavaScript, a file for each source, with types.
// What not every runtime can import, texts and JSON, is written out as modules. With --clean it is taken away again.

import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "dist", "npm");

rmSync(out, { recursive: true, force: true });
if (process.argv.includes("--clean")) process.exit();
const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
// Types were checked before; the library's alone are handed on.
for (const project of ["npm.json", "npm.types.json"]) {
  const args = [compiler, "--noCheck", "-p", join(root, ".ci", project)];
  const { status } = spawnSync(process.execPath, args, { stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(1);
}
for (const file of ["src/version.js", "src/admin/assets.js"]) writeOut(file);
rmSync(join(out, "package.json"), { force: true });

/** Puts in the place of each import of a text or a JSON file what is in it. */
function writeOut(file) {
  const source = readFileSync(join(out, file), "utf8");
  const written = source.replaceAll(
    /^import (\w+) from "([^"]+)" with \{ type: "(text|json)" \};$/gm,
    (_, name, path, type) => {
      const text = readFileSync(join(root, dirname(file), path), "utf8");
      return `const ${name} = ${type === "json" ? text.trim() : JSON.stringify(text)};`;
    },
  );
  if (written === source) throw new Error(`${file} imports no text and no JSON any more`);
  writeFileSync(join(out, file), written);
}
