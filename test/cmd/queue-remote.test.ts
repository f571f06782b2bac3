import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { main } from "../../cmd/odmr.ts";
import { serveHttp } from "../../src/platform/http.ts";
import { FULL, openAdmin } from "../admin/support.ts";
import { stored } from "../spool/support.ts";
import { collected, inFolder, octets } from "../support/mail.ts";
import { idsOf, jsonOf } from "../support/queue.ts";

type Answer = { readonly code: number; readonly out: string; readonly err: string };

/** `odmr queue … --url … --token-file …`, and `--spool` of the same spool beside it. */
async function fromAfar(
  act: (tools: {
    readonly far: (...words: readonly string[]) => Promise<Answer>;
    readonly near: (...words: readonly string[]) => Promise<Answer>;
    readonly ids: readonly string[];
    readonly url: string;
    readonly folder: string;
    readonly spool: string;
  }) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    const admin = await openAdmin({ hosts: ["127.0.0.1"] });
    const server = await serveHttp((request, env) => admin.app.fetch(request, env as object), {
      ...{ host: "127.0.0.1", port: 0 },
    });
    try {
      const ids: string[] = [];
      for (const [n, body] of ["small\r\n", "x".repeat(2_000_000)].entries())
        ids.push(await stored(admin.spool, { to: [`r${n}@example.org`], subject: `number ${n}`, body }));
      const url = "port" in server.address ? `http://127.0.0.1:${server.address.port}` : "";
      const token = join(folder, "token");
      writeFileSync(token, `${FULL}\n`, { mode: 0o600 });
      const run =
        (where: readonly string[]) =>
        (...words: readonly string[]) =>
          queue([...words, ...where]);
      await act({
        ...{ ids, url, folder, spool: admin.path },
        far: run(["--url", url, "--token-file", token]),
        near: run(["--spool", admin.path]),
      });
    } finally {
      await server.close();
      await admin.close();
    }
  });
}

async function queue(words: readonly string[]): Promise<Answer> {
  const pieces: Uint8Array[] = [];
  const said: string[] = [];
  const stdout = {
    write: (piece: string | Uint8Array) =>
      void pieces.push(typeof piece === "string" ? octets(piece) : piece),
  };
  const stderr = { write: (text: string) => void said.push(text) };
  const code = await main(["queue", ...words], "odmr", { stdout, stderr, env: {} });
  return { code, out: new TextDecoder("latin1").decode(await collected(pieces)), err: said.join("") };
}

test("every look from afar is as it is at the spool", () =>
  fromAfar(async ({ far, near, ids: [id = "", large = ""] }) => {
    for (const words of [
      ["list"],
      ["list", "--json", "--sort", "largest"],
      ["list", id, "--json"],
      ["list", "--recipient", "nobody@*"],
      ["show", id],
      ["count", "--larger-than", "1MiB"],
      ["stats", "--json"],
      ["cat", large],
      ["cat", "--headers", id],
      ["history", "--json"],
    ])
      assert.deepEqual(await far(...words), await near(...words), words.join(" "));
  }));

test("actions, rules and exports work from afar", () =>
  fromAfar(async ({ far, near, ids, folder }) => {
    assert.deepEqual(idsOf((await far("hold", "--all", "--reason", "odd")).out), ids);
    assert.equal((await near("count", "--state", "held")).out, "2\n");
    assert.equal((await far("hold", "--all")).code, 1);
    const events = jsonOf((await near("history", ids[0] ?? "", "--json")).out);
    assert.deepEqual([events.at(-1).actor, events.at(-1).reason], ["api:full", "odd"]);
    const added = await far("rule", "add", "--sender", "*@spam.example", "--json");
    assert.equal(added.code, 0);
    assert.equal((await near("rule", "list", "--json")).out, added.out);
    const { id } = jsonOf(added.out)[0];
    assert.deepEqual(await far("rule", "remove", id), { code: 0, out: "", err: "" });
    assert.equal((await far("rule", "list")).code, 1);
    const mbox = join(folder, "out.mbox");
    assert.equal((await far("export", "--to", mbox)).code, 0);
    assert.equal(readFileSync(mbox, "latin1").match(/^From /gm)?.length, 2);
    assert.equal((await far("remove", "--all")).code, 0);
    assert.equal((await near("count")).out, "0\n");
  }));

test("trouble on the way is told by the exit status", () =>
  fromAfar(async ({ far, url, folder }) => {
    const [wrong, open] = [join(folder, "wrong"), join(folder, "open")];
    writeFileSync(wrong, "not-the-token\n", { mode: 0o600 });
    writeFileSync(open, FULL, { mode: 0o644 });
    const broken = await serveHttp(() => new Response("", { status: 503 }), { host: "127.0.0.1", port: 0 });
    const port = "port" in broken.address ? broken.address.port : 0;
    const codeOf = async (...words: readonly string[]): Promise<number> =>
      (await queue(["list", ...words])).code;
    assert.equal(await codeOf("--url", url, "--token-file", wrong), 77);
    assert.equal(await codeOf("--url", url), 77);
    assert.equal(await codeOf("--url", url, "--token-file", open), 78);
    assert.equal(await codeOf("--url", `http://127.0.0.1:${port}`), 75);
    await broken.close();
    const refused = await queue(["list", "--url", `http://127.0.0.1:${port}`]);
    assert.equal(refused.code, 69);
    assert.match(refused.err, /^odmr: cannot reach http:\/\/127\.0\.0\.1:\d+: /);
    assert.equal(await codeOf("--url", "relay.example.net"), 64);
    assert.equal(await codeOf("--url", url, "--spool", "x.db"), 64);
    assert.equal(await codeOf("--token-file", wrong), 64);
    assert.equal((await far("move", "--customer", "nobody", "--all")).code, 65);
  }));

test("mail is imported from afar, and goes where the other side says", () =>
  fromAfar(async ({ far, near, folder }) => {
    const file = join(folder, "mail.eml");
    writeFileSync(file, `Subject: from afar\n\n${"x".repeat(3_000_000)}\n`);
    const to = ["--to", "ann@example.org", "--to", "bob@example.org"];
    const added = await far("import", file, ...to, "--from", "eve@example.net", "--json");
    assert.equal(added.err, "");
    const [{ id, ...way }] = jsonOf(added.out);
    assert.deepEqual(way, {
      ...{ direction: "turn", customer: "home", recipients: ["ann@example.org", "bob@example.org"] },
    });
    const [entry] = jsonOf((await near("list", id, "--json")).out);
    assert.deepEqual([entry.sender, entry.subject], ["eve@example.net", "from afar"]);
    assert.match(
      (await near("cat", id)).out,
      /^Received: by relay\.example\.net with HTTP .*\r\n\r\nx+\r\n$/s,
    );
    const text = await far("import", file, "--to", "ann@example.org");
    assert.match(text.out, /^\S{36} turn home ann@example\.org\n$/);
  }));

test("what cannot be imported from afar is named, and nothing is kept of it", () =>
  fromAfar(async ({ far, near, folder }) => {
    const [empty, huge, mail] = ["empty.eml", "huge.eml", "mail.eml"].map((name) => join(folder, name));
    writeFileSync(empty!, "");
    writeFileSync(huge!, `Subject: huge\r\n\r\n${"x".repeat(5_000_000)}\r\n`);
    writeFileSync(mail!, "Subject: mail\r\n\r\n");
    const lost = await far("import", mail!, "--to", "ann@elsewhere.example");
    assert.equal(lost.code, 65);
    assert.match(lost.err, /mail\.eml: .*no way to ann@elsewhere\.example/);
    const none = await far("import", empty!, "--to", "ann@example.org");
    assert.equal(none.code, 65);
    assert.match(none.err, /the message is empty/);
    const large = await far("import", huge!, "--to", "ann@example.org");
    assert.equal(large.code, 65);
    assert.match(large.err, /a message may have 4000000 octets/);
    assert.equal((await near("count")).out, "2\n");
  }));

test("verify from afar tells what it tells at the spool", () =>
  fromAfar(async ({ far, near }) => {
    const well = "all that was accepted is accounted for, and intact\n";
    assert.deepEqual(await far("verify"), { code: 0, out: well, err: "" });
    assert.deepEqual(await far("verify", "--json"), { code: 0, out: "", err: "" });
    assert.deepEqual(await far("verify"), await near("verify"));
  }));

test("a damaged body is found from afar", () =>
  fromAfar(async ({ far, near, spool }) => {
    const folder = `${spool}.bodies`;
    const body = readdirSync(folder, { recursive: true, withFileTypes: true }).find((each) => each.isFile());
    writeFileSync(join(body!.parentPath, body!.name), "something else");
    const found = await far("verify", "--json");
    assert.equal(found.code, 65);
    assert.deepEqual(jsonOf(found.out)[0].type, "damaged");
    assert.deepEqual(found, await near("verify", "--json"));
  }));

test("spools are moved on the host where they are", () =>
  fromAfar(async ({ far }) => {
    assert.deepEqual(await far("migrate", "--from", "a.db", "--to", "b.db"), {
      ...{ code: 64, out: "" },
      err: "odmr: spools are moved on the host where they are; run odmr queue migrate there\n",
    });
  }));
