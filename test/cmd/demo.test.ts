import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { run, start } from "../../cmd/demo/child.ts";
import { compare, unfold } from "../../cmd/demo/compare.ts";
import { lettersIn } from "../../cmd/demo/letters.ts";
import { inFolder } from "../support/mail.ts";

const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const demo = fileURLToPath(new URL("../../cmd/demo.ts", import.meta.url));
const program = [
  process.execPath,
  ...("Deno" in globalThis ? ["run", "-A", "--no-check"] : []),
  demo,
] as const;
/** The demonstration as a process, with the folder that it makes its own in. */
const options = (folder: string, corpus = fixtures) => ({
  program,
  env: { ODMR_CORPUS: corpus, TMPDIR: folder, CI: undefined },
});

const TRACE = `Return-Path: <a@world.example>
Delivered-To: bob@example.org
Received: from relay.example.net ([127.0.0.1])
\tby house.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 01234567-89ab-7cde-8f01-23456789abcd
\tfor <bob@example.org>;
\tTue, 03 Nov 2026 08:15:00 +0000
Received: from world.example ([127.0.0.1])
\tby relay.example.net with ESMTP id 01234567-89ab-7cde-8f01-23456789abcd;
\tTue, 03 Nov 2026 08:15:00 +0000
`;

test("the demonstration ends with 0 when every message came home once, as it was sent, and leaves nothing behind", () =>
  inFolder(async (folder) => {
    const { status, stdout, stderr } = await run(["--once"], options(folder));
    const count = (await readdir(fixtures)).length;
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    const rows = Object.fromEntries(
      [...stdout.matchAll(/^ {2}([a-z ]+?) {2,}(\d+)$/gm)].map(([, name, value]) => [name, Number(value)]),
    );
    assert.deepEqual(rows, {
      "messages in": count,
      held: count,
      turned: count,
      delivered: count,
      identical: count,
      lost: 0,
      doubled: 0,
    });
    assert.match(stdout, /^ {2}source +the corpus in .*fixtures$/m);
    assert.doesNotMatch(stdout, /\x1b|✓/);
    assert.deepEqual(await readdir(folder), []);
  }));

test("where a corpus must be there and is not, the demonstration fails", () =>
  inFolder(async (folder) => {
    await mkdir(join(folder, "none"));
    const { status, stdout } = await run(["--once"], options(folder, join(folder, "none")));
    assert.equal(status, 1);
    assert.match(stdout, /there is no message in .*none; set ODMR_CORPUS/);
    assert.deepEqual(await readdir(folder), ["none"]);
  }));

test("a word that the demonstration does not know is a usage error", async () => {
  assert.equal((await run(["--twice"], { program })).status, 64);
});

test("the demonstration stays up, what it suggests can be pasted, and Ctrl-C ends it cleanly", () =>
  inFolder(async (folder) => {
    const child = start([], options(folder));
    const stdout = await child.printed((text) => (text.includes("Ctrl-C") ? text : undefined));
    const [made = ""] = await readdir(folder);
    const lines = [...stdout.matchAll(/^ {2}(\.\/odmr .*|cd .*)$/gm)].map(([, line = ""]) => line);
    assert.equal(lines.length, 4);
    for (const line of lines) {
      const ended = await run(["-c", line], { program: ["/bin/sh"], cwd: join(folder, made) });
      // An empty queue is "nothing matched".
      assert.equal(ended.status, line.includes("queue list") ? 1 : 0, `${line}\n${ended.stderr}`);
    }
    assert.equal((await child.end("SIGINT")).status, 0);
    assert.deepEqual(await readdir(folder), []);
  }));

test("the fields on top are taken off, and nothing below them", () => {
  const message = "Received: from somebody\n\tby somebody else; once\n\nText.\n";
  assert.deepEqual(unfold(Buffer.from(TRACE + message)), {
    sender: "a@world.example",
    message: Buffer.from(message),
  });
  assert.equal(unfold(Buffer.from(TRACE.replace("Delivered-To", "X-To") + message)).sender, undefined);
});

test("a message that is lost, changed, doubled or strange is seen", () =>
  inFolder(async (folder) => {
    const box = join(folder, "example.org", "bob", "new");
    await mkdir(box, { recursive: true });
    const put = (name: string, from: string, text: string) =>
      writeFile(join(box, name), TRACE.replace("a@world", `${from}@world`) + text);
    await put("1", "a", "A\n");
    await put("2", "a", "A\n");
    await put("3", "b", "b\n");
    await put("4", "d", "D\n");
    const letter = (name: string) => ({ name, octets: new TextEncoder().encode(`${name}\r\n`) });
    const sent = new Map(
      ["A", "B", "C"].map((name) => [`${name.toLowerCase()}@world.example`, letter(name)]),
    );
    assert.deepEqual(await compare(folder, sent), {
      delivered: 2,
      identical: 2,
      lost: ["C"],
      changed: ["B"],
      doubled: 1,
      strange: 1,
    });
  }));

test("the fixtures are read in canonical form: every line ends in CRLF and nothing else is a line end", async () => {
  for (const { name, octets } of await lettersIn(fixtures)) {
    const text = Buffer.from(octets).toString("latin1");
    assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n|[^\n]$/, name);
    const raw = await readFile(join(fixtures, name), "latin1");
    assert.equal(text.replaceAll("\r\n", ""), raw.replaceAll(/[\r\n]/g, ""), name);
  }
});
