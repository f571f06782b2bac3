/** The pages for operators: every configuration is right, every link leads somewhere, and who follows them has mail. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Block, blockOf, blocksOf, Configurations, Walk } from "../support/page.ts";
import { run, withPeers } from "../support/processes.ts";

const docs = new URL("../../dist/docs/", import.meta.url);
const pages = ["relay", "home", "pairing", "postfix", "migration"];

/** What pairing.md says was made, for their owners alone. */
const made = {
  relay: [
    "spool.db.key",
    "spool.db.crt",
    "spool.db.customers/home.invitation",
    "spool.db.customers/home.yaml",
  ].map((name) => `var/lib/odmr/${name}`),
  home: ["odmr.yaml", "odmr.key", "odmr.crt"].map((name) => `etc/odmr/${name}`),
};

describe("the pages", () => {
  for (const page of pages) {
    it(`${page}.md has configurations that are right, whole or as a part of the one before`, () => {
      const configurations = new Configurations();
      const read = blocksOf(page).filter(({ language }) => language === "yaml");
      assert.ok(read.length > 0 || page === "pairing");
      for (const block of read) configurations.read(block);
    });

    it(`${page}.md has commands that bash can read, each for a host`, async () => {
      for (const { text, of, at } of blocksOf(page).filter(({ language }) => language === "sh")) {
        assert.match(of, /^(relay|home|world)$/, at);
        assert.equal((await run("bash", ["-n", "-c", text])).stderr, "", at);
      }
    });
  }

  it("say of Dovecot what our Dovecot is told", () => {
    const told = readFileSync(new URL("../support/dovecot.ts", import.meta.url), "utf8");
    const [protocols = "", ...service] = blockOf("postfix", "ini", "dovecot.conf").text.split("\n");
    assert.ok(told.includes(`\n${protocols}\n`));
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it stands so in the file
    assert.ok(told.includes(service.join("\n").replace("port = 24", "port = ${port}")));
  });

  it("home.md explains what the program says", () => {
    const said = [...readFileSync(new URL("home.md", docs), "utf8").matchAll(/^\| `([^`…]+)/gm)];
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const source = ["cmd", "src"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts"))
        .map((name) => readFileSync(join(root, folder, name), "utf8")),
    );
    const unknown = said
      .map(([, words = ""]) => words.trim())
      .filter((words) => words !== "ECONNREFUSED" && !source.some((text) => text.includes(words)));
    assert.ok(said.length > 5);
    assert.deepEqual(unknown, []);
  });

  it("link to pages and headings that there are", () => {
    const lost = readdirSync(docs).flatMap((page) =>
      [...readFileSync(new URL(page, docs), "utf8").matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)]
        .filter(([, file = "", heading]) => !leads(file === "" ? page : file, heading))
        .map(([link]) => `${page}: ${link}`),
    );
    assert.deepEqual(lost, []);
  });
});

function leads(file: string, heading: string | undefined): boolean {
  const place = new URL(file, docs);
  if (!existsSync(place)) return false;
  if (heading === undefined) return true;
  const headings = [...readFileSync(place, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, words = ""]) =>
    words
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
  return headings.includes(heading);
}

/** Follows one block after the other. @returns what they printed */
async function followed(
  walk: Walk,
  blocks: readonly Block[],
  stdin: (block: Block) => Promise<string> | string = () => "",
): Promise<readonly string[]> {
  const printed: string[] = [];
  for (const block of blocks) printed.push(await walk.follow(block, await stdin(block)));
  await walk.settled();
  return printed;
}

const MBOX = "From ann@example.net Fri Nov 27 09:00:00 2026\nSubject: old\n\nText.\n";
/** Some thirty commands, one after the other. */
const TIMEOUT = { timeout: 180_000 };

describe("who follows the pages", withPeers("swaks", "openssl"), () => {
  it("has a relay, a house, a message in its Maildir, and mail on its way out", TIMEOUT, () =>
    Walk.here(async (walk) => {
      const relay = await followed(walk, blocksOf("relay"));
      assert.match(relay.join(""), /250 2\.0\.0 Stored as /);
      assert.match(relay.join(""), /\twaiting\tturn\thome\t.*\tyou@example\.net\tbob@example\.org\t/);
      const [print = ""] = /(?<=Fingerprint=)\S+/.exec(relay.join("")) ?? [];

      const secret = await readFile(walk.at("relay", "etc/odmr/home.secret"), "utf8");
      const pinned = blocksOf("home").map((block) => ({
        ...block,
        text: block.text.replace(/(?<=pin: "sha256:)[0-9a-f]{64}/, print),
      }));
      const home = await followed(walk, pinned, ({ text }) =>
        text.includes("passwd --stdin") ? secret : "",
      );
      assert.match(home.join(""), /^relay: 1 message \(.*\), 1 delivered$/m);
      assert.match(home.join(""), /var\/mail\/example\.org\/bob\/new\//);
      await writeFile(walk.at("relay", "etc/odmr/old.mbox"), MBOX);
      const moved = await followed(
        walk,
        blocksOf("migration").filter(({ language }) => language === "sh"),
      );
      assert.match(moved.join(""), /^\S+ turn home bob@example\.org$/m);
      assert.match(home.join(""), /\toutgoing\t.*\tbob@example\.org\tann@example\.net\thello$/m);
    }),
  );

  it("by the shortest way has mail with one line carried", TIMEOUT, () =>
    Walk.here(async (walk) => {
      const [relay, home] = blocksOf("pairing");
      const [init = "", serve = "", invite = ""] = relay!.text.split("\n");
      await walk.follow({ ...relay!, text: `${init}\n` });
      await walk.placed("relay");
      await walk.follow({ ...relay!, text: `${serve}\n` });
      // Our relay's name leads nowhere.
      const line = await walk.follow({ ...relay!, text: `${invite} --address relay.example.net:366\n` });
      const where = "--config /etc/odmr/odmr.yaml --spool /var/lib/odmr/spool.db";
      const joined = await walk.follow(
        { ...home!, text: home!.text.replace("odmr join", `odmr join ${where}`) },
        line,
      );
      assert.match(joined, /^A message to postmaster@example\.org went to the relay and came back$/m);
      // From nothing to mail in six commands at most, and what the page says was made, was made.
      assert.ok(`${relay!.text}${home!.text}`.trimEnd().split("\n").length <= 6);
      const page = await readFile(new URL("../../dist/docs/pairing.md", import.meta.url), "utf8");
      for (const [host, paths] of Object.entries(made))
        for (const path of paths) {
          assert.ok(page.includes(basename(path).replace(/^spool\.db\.crt$/, "`.crt`")), path);
          assert.equal((await stat(walk.at(host, path))).mode & 0o077, 0, path);
        }
    }),
  );
});
