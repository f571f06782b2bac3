/** The manual pages: made from what the program says of itself, whole, and such as man takes without a word. */

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { commandNames, loadCommand } from "../../cmd/commands.ts";
import { manualPage, pageNames } from "../../cmd/man.ts";
import { type Described, jsonSchema } from "../../src/config/describe.ts";
import { inFolder, odmr } from "../support/cli.ts";
import { run, withPeers } from "../support/processes.ts";

const text = async (name: string): Promise<string> => (await manualPage(name)).text.replaceAll("\\-", "-");

describe("a manual page", () => {
  it("is there for each command, with each of its options", async () => {
    for (const name of commandNames) {
      const command = await loadCommand(name);
      const flags = "parameters" in command ? Object.keys(command.parameters.flags ?? {}) : [];
      const page = await text(`odmr-${name}`);
      for (const flag of flags) {
        const word = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
        assert.match(page, new RegExp(`^\\.B --${word}( |$)`, "m"), `odmr-${name} --${word}`);
      }
    }
  });

  it("is there for the configuration, with each of its keys", async () => {
    const page = await text("odmr.yaml");
    for (const key of new Set(keysIn(jsonSchema())))
      assert.match(page, new RegExp(`^(\\.B|\\.SS) "?${key}:`, "m"), key);
  });

  it("keeps what a shell would read as it is: backslashes, and points at a line's head", async () => {
    const { text } = await manualPage("odmr-sendmail");
    assert.match(text, /^printf "Subject: hello\\en\\enHi\\en" \| odmr sendmail bob@example\.net$/m);
    assert.match((await manualPage("odmr.yaml")).text, /^\\&\.\/odmr\.yaml$/m);
  });

  it("is printed by odmr man, and one that is not there is told so", async () => {
    assert.deepEqual(await odmr(["man", "odmr-serve"]), {
      ...{ status: 0, stderr: "" },
      stdout: (await manualPage("odmr-serve")).text,
    });
    const { status, stderr } = await odmr(["man", "odmr-surf"]);
    assert.equal(status, 64);
    assert.match(stderr, /^odmr: there is no page odmr-surf; there are odmr, odmr-serve, /);
  });
});

describe("the manual, to Debian's man", withPeers("man", "lexgrog"), () => {
  it("has no warning in any page, and names that apropos finds", async () =>
    inFolder(async (folder) => {
      assert.equal((await odmr(["man", "--into", folder])).status, 0);
      const files = (await readdir(folder, { recursive: true })).filter((file) => /\.[15]$/.test(file));
      assert.deepEqual(files.map((file) => file.replace(/^.*\/|\.[15]$/g, "")).sort(), [...pageNames].sort());
      const env = { LC_ALL: "C.UTF-8", MANWIDTH: "80", MANROFFSEQ: "" };
      for (const file of files) {
        const shown = await run("man", ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", join(folder, file)], {
          env,
        });
        assert.deepEqual({ status: shown.status, stderr: shown.stderr }, { status: 0, stderr: "" }, file);
        const found = await run("lexgrog", [join(folder, file)], { env });
        assert.match(found.stdout, /: "odmr[a-z.-]* - .+"\n$/, file);
      }
    }));
});

function keysIn({ properties = {}, items, anyOf = [] }: Described): readonly string[] {
  const below = [...Object.values(properties), ...(items === undefined ? [] : [items]), ...anyOf];
  return [...Object.keys(properties), ...below.flatMap(keysIn)];
}
