import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError } from "../../src/config/error.ts";
import { readSecret } from "../../src/config/secret.ts";
import { inFolder } from "../support/cli.ts";

const secretOf = (text: string, mode = 0o600): Promise<string> =>
  inFolder(async (folder) => {
    const file = join(folder, "secret");
    await writeFile(file, text, { mode });
    return await readSecret(file);
  });

test("one line end at the end is not part of a secret", async () => {
  const read = await Promise.all(
    ["pass word", "pass word\n", "pass word\r\n", " pass word "].map((text) => secretOf(text)),
  );
  assert.deepEqual(read, ["pass word", "pass word", "pass word", " pass word "]);
});

test("a secret that others may read is refused, with the command that cures it", async () => {
  for (const mode of [0o640, 0o604, 0o644])
    await assert.rejects(
      secretOf("x", mode),
      (error) => error instanceof ConfigError && /; chmod 600 /.test(error.message),
    );
});

test("a secret is one line and not empty", async () => {
  for (const text of ["", "\n", "a\n\n", "a\nb", "a\0b"]) await assert.rejects(secretOf(text), ConfigError);
});

test("a secret that is not there is told by its name", async () => {
  await assert.rejects(readSecret("/nowhere/secret"), /\/nowhere\/secret does not exist/);
});
