/** Every example of dist/docs/library.md, and of the entry points themselves, is run; what it says is what stands there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import deno from "../../deno.json" with { type: "json" };
import { inFolder } from "../support/cli.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = readFileSync(join(root, "dist/docs/library.md"), "utf8");

const inDocument = [...text.matchAll(/^## ([^\n]+)\n(?:(?!^## ).)*?^```ts\n(.*?)^```$/gms)].map(
  ([, title = "", code = ""]) => ({ title, code }),
);
const inModules = Object.entries(deno.exports).map(([entry, file]) => ({
  title: `the example of odmr${entry.slice(1)}`,
  code: /^ \* ```ts\n(.*?)^ \* ```$/ms
    .exec(readFileSync(join(root, file), "utf8"))![1]!
    .replaceAll(/^ \* ?/gm, ""),
}));

/** What an example says by console.log, line by line. */
async function saidBy(code: string, folder: string): Promise<readonly string[]> {
  const runnable = code
    .replaceAll(/"odmr(\/\w+)"/g, (_, entry: string) => JSON.stringify(sourceOf(entry)))
    .replaceAll(/"(?:\/var\/lib\/example\/)?spool\.db"/g, JSON.stringify(join(folder, "spool.db")));
  const file = join(folder, "example.ts");
  await writeFile(
    file,
    `export const said: unknown[][] = [];
const console = { log: (...words: unknown[]) => said.push(words) };
${runnable}`,
  );
  const { said } = (await import(pathToFileURL(file).href)) as { said: readonly unknown[][] };
  const shown = (word: unknown) => (typeof word === "string" ? word : JSON.stringify(word));
  return said.flatMap((words) =>
    words
      .map(shown)
      .join(" ")
      .replace(/\r?\n$/, "")
      .split(/\r?\n/),
  );
}

/** What a user's runtime would find by the package's name. */
function sourceOf(entry: string): string {
  const file = (deno.exports as Readonly<Record<string, string>>)[`.${entry}`];
  assert.ok(file, `odmr${entry} is no entry point`);
  return new URL(`../../${file}`, import.meta.url).href;
}

describe("the document on the library", () => {
  it("speaks of every entry point, and has an example for each but the clock", () => {
    assert.equal(inDocument.length, 6);
    for (const entry of Object.keys(deno.exports))
      assert.ok(text.includes(`\`odmr${entry.slice(1)}\``), entry);
  });

  for (const { title, code } of inDocument)
    it(`${title}: says what stands there`, () =>
      inFolder(async (folder) => {
        const expected = [...code.matchAll(/^\s*\/\/ → (.*)$/gm)].map(([, line]) => line);
        assert.ok(expected.length > 0);
        assert.deepEqual(await saidBy(code, folder), expected);
      }));

  for (const { title, code } of inModules)
    it(`${title} runs`, () => inFolder(async (folder) => void (await saidBy(code, folder))));
});
