import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { main } from "../../cmd/odmr.ts";
import { kindAt, messagesAt } from "../../src/mail/files.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { commandLine } from "../support/cli.ts";
import { collected, corpus, inFolder } from "../support/mail.ts";
import { idsOf, piped, queueIn, withQueue } from "../support/queue.ts";

test("a message goes where its recipients go, in one entry for each way", () =>
  withQueue(async (queue, folder) => {
    const recipients = ["a@example.org", "b@example.org", "c@other.example", "d@house.example"].flatMap(
      (to) => ["--to", to],
    );
    const added = await piped(
      folder,
      "Subject: hi\n\nbody",
      "add",
      "--from",
      "ann@example.net",
      ...recipients,
    );
    assert.deepEqual([added.code, added.err], [0, ""]);
    assert.deepEqual(
      added.out
        .trim()
        .split("\n")
        .map((line) => line.split(" ").slice(1)),
      [
        ["turn", "home", "a@example.org,b@example.org"],
        ["turn", "other", "c@other.example"],
        ["local", "vps", "d@house.example"],
      ],
    );
    const [id = ""] = idsOf(added.out);
    const { out } = await queue("cat", id);
    assert.match(
      out,
      /^Received: by relay\.example\.net with file id [0-9a-f-]{36};\r\n\t[^\r]*\r\nSubject: hi\r\n\r\nbody\r\n$/,
    );
    assert.match((await queue("cat", "--headers", id)).out, /Subject: hi\r\n\r\n$/);
  }));

test("a recipient without a way, an empty message and a wrong address are told", () =>
  withQueue(async (queue, folder) => {
    const from = ["--from", "<>"];
    const nowhere = await piped(folder, "x", "add", ...from, "--to", "a@nowhere.example");
    assert.deepEqual([nowhere.code, nowhere.out], [65, ""]);
    assert.match(nowhere.err, /no way to "a@nowhere\.example"/);
    assert.equal((await piped(folder, "", "add", ...from, "--to", "a@example.org")).code, 65);
    assert.equal((await queue("add", ...from, "--to", "no address")).code, 64);
    assert.equal((await queue("add", ...from)).code, 64);
    assert.equal((await queue("import", "--to", "a@example.org", join(folder, "none"))).code, 65);
    assert.equal((await queue("import", "--to", "a@example.org", "--customer", "nobody", folder)).code, 64);
  }));

test("mail for the world leaves a relay in the name of the customer whose sender it has", () =>
  withQueue(async (_, folder) => {
    const file = join(folder, "odmr.yaml");
    const before = await readFile(file, "utf8");
    const out = '  outbound: { smarthost: "smtp://smtp.example.net:587", expire: 5d }\n  customers:\n';
    await writeFile(
      file,
      before
        .replace("  customers:\n", out)
        .replace("{ name: other,", '{ name: other, senders: ["*@lists.example"],'),
    );
    const add = (from: string) =>
      piped(
        folder,
        "Subject: hi\n\nbody",
        ...["add", "--from", from, "--to", "eve@world.example", "--to", "b@other.example"],
      );
    for (const [from, customer] of [
      ["ann@example.org", "home"],
      ["news@lists.example", "other"],
    ] as const) {
      const { code, out, err } = await add(from);
      assert.deepEqual([code, err], [0, ""]);
      const ways = out.trim().split("\n");
      assert.deepEqual(
        ways.map((line) => line.split(" ").slice(1)),
        [
          ["outgoing", customer, "eve@world.example"],
          ["turn", "other", "b@other.example"],
        ],
      );
    }
    for (const from of ["ann@elsewhere.example", "<>"]) {
      const { code, out, err } = await add(from);
      assert.deepEqual([code, out], [65, ""]);
      assert.match(err, /no way to "eve@world\.example": .* no customer sends as "/);
    }
  }));

test("ids from a list are read from stdin by an action", () =>
  withQueue(async (queue, folder) => {
    await queue("import", "--to", "a@example.org", join(folder, "one.eml"), join(folder, "two.eml"));
    const { out } = await queue("list");
    const held = await piped(folder, out, "hold", "-", "--reason", "looks odd");
    assert.deepEqual([held.code, idsOf(held.out)], [0, idsOf(out)]);
    assert.equal((await queue("count", "--state", "held")).out, "2\n");
    const history = (await queue("history", "--json", idsOf(out)[0] ?? "")).out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      history.map(({ what, reason }) => [what, reason]),
      [
        ["accepted", "file from localhost"],
        ["held", "looks odd"],
      ],
    );
    assert.equal((await piped(folder, "", "hold", "-")).code, 1);
  }));

test("filters choose, and what nothing matches ends with 1", () =>
  withQueue(async (queue, folder) => {
    const put = (to: string, from: string, name: string) =>
      queue("import", "--from", from, "--to", to, join(folder, name));
    const [one = ""] = idsOf((await put("a@example.org", "ann@example.net", "one.eml")).out);
    const [two = ""] = idsOf((await put("b@other.example", "<>", "two.eml")).out);
    const rows: readonly (readonly [string, readonly string[]])[] = [
      ["", [one, two]],
      ["--customer home", [one]],
      ["--direction turn", [one, two]],
      ["--direction local", []],
      ["--state waiting", [one, two]],
      ["--state held", []],
      ["--sender ann@*", [one]],
      ["--sender <>", [two]],
      ["--recipient *@OTHER.example", [two]],
      ["--domain example.org", [one]],
      ["--older-than 1d", []],
      ["--newer-than 1d", [one, two]],
      ["--larger-than 1KiB", [two]],
      ["--smaller-than 1KiB", [one]],
      ["--limit 1", [one]],
      ["--sort largest", [two, one]],
      ["--sort newest --limit 1", [two]],
      [one, [one]],
    ];
    for (const [words, ids] of rows) {
      const { code, out } = await queue("list", ...words.split(" ").filter((word) => word !== ""));
      assert.deepEqual([words, idsOf(out), code], [words, ids, ids.length === 0 ? 1 : 0]);
    }
    for (const words of ["--older-than soon", "--larger-than big", "--limit 0", "--state lost", "nonsense"])
      assert.equal((await queue("list", ...words.split(" "))).code, 64, words);
  }));

test("an action wants ids, a filter or --all, and changes nothing when it is dry", () =>
  withQueue(async (queue, folder) => {
    await queue("import", "--to", "a@example.org", join(folder, "one.eml"), join(folder, "two.eml"));
    for (const action of ["hold", "release", "retry", "remove", "bounce"]) {
      assert.equal((await queue(action)).code, 64, action);
      assert.equal((await queue(action, "--limit", "1")).code, 64, action);
    }
    const dry = await queue("remove", "--all", "--dry-run", "--json");
    assert.deepEqual(
      dry.out
        .trim()
        .split("\n")
        .map((line) => Object.keys(JSON.parse(line))),
      [
        ["id", "action", "dryRun"],
        ["id", "action", "dryRun"],
      ],
    );
    assert.equal((await queue("count")).out, "2\n");
    assert.equal((await queue("release", "--all")).code, 1);
    assert.equal((await queue("hold", "--all", "--limit", "1")).code, 0);
    assert.equal((await queue("release", "--state", "held")).code, 0);
    assert.equal((await queue("retry", "--all")).code, 0);
    assert.equal((await queue("move", "--customer", "nobody", "--all")).code, 64);
    assert.equal((await queue("move", "--customer", "other", "--all")).code, 0);
    assert.equal((await queue("count", "--customer", "other")).out, "2\n");
    assert.equal((await queue("bounce", "--limit", "1", "--all")).code, 0);
    assert.equal((await queue("list", "--state", "refused")).code, 0);
    assert.equal((await queue("remove", "--all")).code, 0);
    assert.equal((await queue("list")).code, 1);
    assert.equal((await queue("count", "--gone")).out, "2\n");
  }));

test("a terminal sees tables and no control of a message's, a pipe gets octets", () =>
  withQueue(async (queue, folder) => {
    const [id = ""] = idsOf((await queue("import", "--to", "a@example.org", join(folder, "two.eml"))).out);
    const terminal = queueIn(folder, { isTTY: true, columns: 80 });
    const { out } = await terminal("list");
    assert.match(
      out,
      /^STATE {7}SIZE {3}AGE {2}CUSTOMER {4}FROM {19}TO\nwaiting {5}6\.0K {4}\ds {2}home {8}<> {21}a@example\.org\n/,
    );
    assert.doesNotMatch(out.replaceAll("\x1b[2m", "").replaceAll("\x1b[0m", ""), /\x1b/);
    assert.match((await terminal("cat", id)).out, /\nlong \\x1b\[2J\nx\n/);
    assert.match((await queue("cat", id)).out, /\r\nlong \x1b\[2J\r\nx\r\n/);
    assert.match((await terminal("show", id)).out, /subject {4}two \[31m\n/);
    assert.equal((await queue("cat", "0192d0c8-1c00-7000-8000-000000000001")).code, 1);
    assert.equal((await queue("cat")).code, 64);
  }));

test("stats sum up what waits for each customer", () =>
  withQueue(async (queue, folder) => {
    await queue("import", "--to", "a@example.org", "--to", "b@other.example", join(folder, "one.eml"));
    const lanes = (await queue("stats", "--json")).out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lanes.map(({ direction, customer, entries, states }) => ({ direction, customer, entries, states })),
      [
        { direction: "turn", customer: "home", entries: 1, states: { waiting: 1 } },
        { direction: "turn", customer: "other", entries: 1, states: { waiting: 1 } },
      ],
    );
  }));

test("a spool that is not there is said to be so, and is not made by looking", () =>
  inFolder(async (folder) => {
    const spool = join(folder, "none.db");
    let said = "";
    const stderr = { write: (text: string) => (said += text) };
    const code = await main(["queue", "list", "--spool", spool], "odmr", { stdout: stderr, stderr, env: {} });
    assert.deepEqual(
      [code, said],
      [78, `odmr: there is no spool at ${spool}; it is made by odmr serve, odmr pull or odmr queue add\n`],
    );
    assert.equal(await systemFiles.stat(spool), undefined);
  }));

test("nothing found is said to people, with status 1, and to programs by the status alone", () =>
  withQueue(async (queue, folder) => {
    await queue("import", "--to", "bob@example.org", join(folder, "one.eml"));
    const absent = "01a21bf2-9214-7641-a1f6-d6027393effe";
    const lookings = [
      ["list", "--customer", "none"],
      ["show", absent],
      ["stats", "--customer", "none"],
      ["history", absent],
    ];
    for (const words of lookings) {
      const { code, out, err } = await queue(...words, "--json");
      assert.deepEqual([code, out, err], [1, "", ""], words.join(" "));
      const plain = await queue(...words);
      assert.deepEqual([plain.code, plain.err], [1, "odmr: nothing matched\n"], words.join(" "));
    }
  }));

test("a limited history is the newest of it, with the oldest first", () =>
  withQueue(async (queue, folder) => {
    for (const name of ["one.eml", "two.eml", "one.eml"])
      await queue("import", "--to", "bob@example.org", join(folder, name));
    const whole = (await queue("history", "--json")).out.trimEnd().split("\n");
    assert.ok(whole.length >= 3);
    for (const most of [1, 2, whole.length, whole.length + 5]) {
      const { out } = await queue("history", "--json", "--limit", String(most));
      assert.deepEqual(out.trimEnd().split("\n"), whole.slice(-most));
    }
  }));

test("another user's spool is refused with 77, whether its file or its folder is closed", (t) =>
  withQueue(async (queue, folder) => {
    await queue("import", "--to", "bob@example.org", join(folder, "one.eml"));
    const spool = join(folder, "spool.db");
    const asNobody = (...argv: readonly string[]) => {
      const [file, ...words] = commandLine(argv);
      return spawnSync(file, words, {
        uid: 65534,
        gid: 65534,
        cwd: "/",
        env: { ...process.env, NO_COLOR: "1" },
        encoding: "utf8",
      });
    };
    if (asNobody("--version").status !== 0) return t.skip("another user cannot run this checkout");
    for (const mode of [0o700, 0o755]) {
      await chmod(folder, mode);
      const { status, stdout, stderr } = asNobody("queue", "list", "--spool", spool);
      const refused = `odmr: the spool at ${spool} is another user's; run this as its owner, or as root\n`;
      assert.deepEqual([status, stdout, stderr], [77, "", refused]);
    }
  }));

test("real mail is imported from a Maildir and exported in every form, below our trace field byte for byte", () =>
  withQueue(async (queue, folder) => {
    const messages = await corpus();
    for (const name of ["new", "cur", "tmp"]) await mkdir(join(folder, "in", name), { recursive: true });
    for (const [i, { raw }] of messages.entries())
      await writeFile(join(folder, "in/new", String(i).padStart(4, "0")), raw);
    const imported = await queue("import", "--to", "a@example.org", join(folder, "in"));
    assert.equal(idsOf(imported.out).length, messages.length);
    assert.equal(imported.code, messages.length === 0 ? 1 : 0);
    if (messages.length === 0) return;
    for (const [format, name] of [
      ["mbox", "out.mbox"],
      ["maildir", "out"],
      ["eml", "files"],
    ] as const) {
      const path = join(folder, name);
      assert.equal((await queue("export", "--to", path, "--format", format)).code, 0);
      const kind = (await kindAt(path, systemFiles)) ?? "eml";
      let i = 0;
      for await (const found of messagesAt(path, kind, systemFiles)) {
        const bytes = Buffer.from(await collected(found.content()));
        const body = bytes.subarray(bytes.indexOf("+0000\r\n") + 7);
        assert.ok(body.equals(messages[i]?.canonical ?? new Uint8Array()), `${format} ${messages[i]?.name}`);
        i++;
      }
      assert.equal(i, messages.length);
    }
    assert.equal((await queue("export", "--to", join(folder, "out.mbox"))).code, 73);
  }));
