/** dist/docs/doctor.md names every check in its group and no other, and its commands run. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { checks } from "../../cmd/doctor/table.ts";
import { inFolder, odmrHere } from "../support/cli.ts";

const text = readFileSync(new URL("../../dist/docs/doctor.md", import.meta.url), "utf8");
const words = (cell = ""): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);

describe("the document on odmr doctor", () => {
  it("names each check in its group", () => {
    let group = "";
    const told = text
      .split("\n")
      .filter((line) => /^\| (`|\| `)/.test(line))
      .flatMap((line) => {
        const [, first, second] = line.split("|");
        [group = group] = words(first);
        return words(second).map((check) => `${group} ${check}`);
      });
    assert.deepEqual(told.sort(), checks.map(({ check, group }) => `${group} ${check}`).sort());
  });

  it("has commands that run", () =>
    inFolder(async (folder) => {
      const commands = [...text.matchAll(/^odmr (doctor .*)$/gm)].map(([, line = ""]) => line.split(" "));
      assert.equal(commands.length, 2);
      await writeFile(join(folder, "home.secret"), "secret\n", { mode: 0o600 });
      const [password, deliver] = [{ file: "home.secret" }, [{ match: "*", to: "maildir:mail/{local}" }]];
      const account = {
        name: "vps",
        provider: "127.0.0.1:1",
        user: "home",
        domains: ["x.test"],
        password,
        deliver,
      };
      const config = { hostname: "house.test", spool: "house.db", pull: { accounts: [account] } };
      await writeFile(join(folder, "odmr.yaml"), JSON.stringify(config), { mode: 0o600 });
      // Of the whole examination only what asks nobody outside of this machine.
      const here = commands.map((words) =>
        words.includes("--only") ? words : [...words, "--only", "targets,peers"],
      );
      const at = (word: string) => (word === "odmr.yaml" ? join(folder, word) : word);
      const ended = [];
      for (const words of here) ended.push(await odmrHere(words.map(at)));
      assert.deepEqual(
        ended.map(({ status, stderr }) => ({ status, stderr })),
        [
          { status: 69, stderr: "" },
          { status: 0, stderr: "" },
        ],
      );
    }));
});
