/** dist/docs/nodes.md: its configuration is right, and its commands do what they say, on a PostgreSQL of the test's own. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { inFolder, odmr } from "../support/cli.ts";
import { startPostgresql, withPostgresqlOnBun } from "../support/postgresql.ts";

const text = readFileSync(new URL("../../dist/docs/nodes.md", import.meta.url), "utf8");
const block = (language: string) =>
  new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "ms").exec(text)?.[1] ?? "";
const ADDRESS = "postgres://odmr@db.example.net/odmr?passwordFile=spool.secret";

describe("the page on several relays", withPostgresqlOnBun(), () => {
  it("has a configuration that is right and commands that work, in their order", async () => {
    const server = await startPostgresql();
    try {
      await inFolder(async (folder) => {
        const spool = `${server.spool()}&passwordFile=${join(folder, "spool.secret")}`;
        for (const secret of ["spool.secret", "home.secret"])
          writeFileSync(join(folder, secret), "open sesame\n", { mode: 0o600 });
        writeFileSync(join(folder, "relay.yaml"), block("yaml").replace(ADDRESS, spool));
        writeFileSync(join(folder, "letter.eml"), "Subject: x\r\n\r\nhello\r\n");
        const placed = (word: string) =>
          word === ADDRESS ? spool : /\.(db|yaml)$/.test(word) ? join(folder, word) : word;
        const old = join(folder, "old.yaml");
        writeFileSync(old, block("yaml").replace(ADDRESS, join(folder, "spool.db")));
        const made = await odmr([
          ...["queue", "import", "--to", "a@example.org", join(folder, "letter.eml"), "--config", old],
        ]);
        assert.equal(made.status, 0, made.stderr);
        const commands = block("sh").trim().split("\n");
        assert.equal(commands.length, 6);
        for (const command of commands) {
          const [program, ...words] = command.split(" ").map((word) => placed(word.replace(/^'|'$/g, "")));
          assert.equal(program, "odmr");
          const { status, stdout, stderr } = await odmr(words);
          assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
        }
      });
    } finally {
      await server.stop();
    }
  });
});
