import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parsePostgres, placedPostgres, shownPostgres } from "../../src/spool/postgres/address.ts";
import { inPassFile, passwordOf } from "../../src/spool/postgres/password.ts";
import { inFolder, odmr } from "../support/cli.ts";
import { type Postgresql, startPostgresql, withPostgresqlOnBun } from "../support/postgresql.ts";
import { jsonOf, withQueue } from "../support/queue.ts";

describe("the queue of a shared spool", withPostgresqlOnBun(), () => {
  let server: Postgresql;
  before(async () => {
    server = await startPostgresql();
  });
  after(() => server.stop());

  it("is worked on as any other, moved to and moved back", () =>
    withQueue(async (queue, folder) => {
      const [path, back] = [server.spool(), join(folder, "back.db")];
      writeFileSync(join(folder, "one.eml"), "Subject: x\r\n\r\nhello\r\n");
      writeFileSync(join(folder, "large.eml"), "x".repeat(300_000));
      await queue("import", "--to", "a@example.org", join(folder, "one.eml"), join(folder, "large.eml"));
      const nothing = await queue("list", "--spool", path);
      assert.equal(nothing.code, 78);
      assert.match(nothing.err, /there is no spool in that database; it is made by/);
      const migrate = async (...words: readonly string[]) => {
        const { code, out, err } = await queue("migrate", "--json", ...words);
        return { code, err, said: jsonOf(out)[0] };
      };
      const there = ["--from", join(folder, "spool.db"), "--to", path];
      assert.deepEqual((await migrate(...there, "--dry-run")).said.moved, 2);
      assert.equal((await queue("list", "--spool", path)).code, 78, "a rehearsal makes nothing");
      assert.deepEqual(await migrate(...there), {
        ...{ code: 0, err: "" },
        said: { entries: 2, moved: 2, left: 0, passes: 2, damaged: 0, verified: true },
      });
      const { id } = jsonOf((await queue("list", "--json", "--spool", path)).out)[0] as { id: string };
      assert.equal((await queue("hold", id, "--reason", "odd", "--spool", path)).code, 0);
      assert.equal((await queue("count", "--state", "held", "--spool", path)).out, "1\n");
      assert.equal((await queue("verify", "--spool", path)).code, 0);
      const schema = /schema=(\w+)/.exec(path)?.[1];
      await server.sql(
        `INSERT INTO ${schema}.node (id, slot, name, actor, version, schema, started, seen) VALUES
          ('00000000-0000-7000-8000-000000000001', 1, 'mx1', 'serve', '0.1.0', 1, '2026-01-02Z', now()),
          ('00000000-0000-7000-8000-000000000002', 2, 'mx2', 'serve', '0.1.0', 1, '2026-01-02Z', '2026-01-03Z')`,
      );
      const stats = await queue("stats", "--spool", path);
      assert.match(
        stats.out,
        /\n\nNODE +PROGRAM +VERSION +STATE\nmx1 +serve +0\.1\.0 +at work since 2026-01-02T00:00:00\.000Z\nmx2 +serve +0\.1\.0 +not seen since 2026-01-03T00:00:00\.000Z\n$/,
      );
      const nodes = jsonOf((await queue("stats", "--json", "--spool", path)).out).filter(({ node }) => node);
      assert.deepEqual(
        nodes.map(({ node, alive }) => [node, alive]),
        [
          ["mx1", true],
          ["mx2", false],
        ],
      );
      assert.doesNotMatch((await queue("stats", "--customer", "home", "--spool", path)).out, /mx1/);
      assert.deepEqual((await migrate("--from", path, "--to", back)).said.moved, 2);
      for (const words of [
        ["list", "--json"],
        ["cat", id],
        ["history", "--json"],
      ] as const)
        assert.equal(
          (await queue(...words, "--spool", back)).out,
          (await queue(...words, "--spool", path)).out,
          words.join(" "),
        );
    }));

  it("whose database is away is to be asked again later", () =>
    withQueue(async (queue) => {
      const { code, err } = await queue("list", "--spool", "postgres://odmr@127.0.0.1:1/odmr");
      assert.equal(code, 75, err);
      assert.match(err, /the database: .*ECONNREFUSED/);
    }));
});

describe("a shared spool's address", () => {
  it("is taken apart, and over a network asks for TLS", () => {
    assert.deepEqual(
      parsePostgres("postgres://odmr@db1.test,db2.test:5433/mail?schema=relay&passwordFile=/s"),
      {
        hosts: [
          { host: "db1.test", port: 5432 },
          { host: "db2.test", port: 5433 },
        ],
        ...{
          database: "mail",
          user: "odmr",
          schema: "relay",
          passwordFile: "/s",
          tls: "verify-full",
          ca: undefined,
          pooled: false,
          bodies: undefined,
          credentials: undefined,
        },
      },
    );
    const bucket = "bodies=s3://mail/relay&endpoint=https://s3.test:9000&credentials=keys";
    assert.deepEqual(parsePostgres(`postgres://h/x?${bucket}`).bodies, {
      ...{ bucket: "mail", prefix: "relay/", endpoint: "https://s3.test:9000", region: "us-east-1" },
    });
    assert.equal(
      placedPostgres(`postgres://h/x?${bucket}`, (file) => `/etc/${file}`),
      `postgres://h/x?${bucket.replace("keys", "/etc/keys")}`,
    );
    const tls = (address: string) => parsePostgres(address).tls;
    assert.deepEqual(
      [
        "postgres://localhost",
        "postgresql://[::1]:1/x",
        "postgres:///x?host=/run",
        "postgres://h/?sslmode=require",
      ].map(tls),
      ["disable", "disable", "disable", "require"],
    );
    assert.equal(shownPostgres("postgres://odmr@h/x?passwordFile=/s"), "postgres://odmr@h/x");
    assert.equal(
      placedPostgres("postgres://h/x?passwordFile=s&schema=y", (file) => `/etc/${file}`),
      "postgres://h/x?passwordFile=/etc/s&schema=y",
    );
  });

  const wrong: Readonly<Record<string, RegExp>> = {
    "postgres://odmr:geheim@h/x": /^a password in the spool's address is not understood; put it into a file/,
    "postgres://h/x?shema=y": /^"shema" in the spool's address is not understood; it may have schema, host/,
    "postgres://h/x?schema=a-b": /^the schema of the spool's address/,
    "postgres://h:x/y": /^the host of the spool's address/,
    "postgres://h/x?bodies=s3://mail":
      /^the bodies of the spool's address: whose bucket it is, is not said; write endpoint=/,
    "postgres://h/x?pooler=transaction&schema=y": /^a schema behind a pooler .*ALTER ROLE … SET search_path/,
    "postgres://h/x?region=eu": /^an endpoint without bodies in the spool's address .*write bodies=s3:/,
    "postgres://h/x?sslmode=prefer":
      /^the sslmode of the spool's address .*write disable, require, verify-full/,
  };
  for (const [address, said] of Object.entries(wrong))
    it(`${address.replace("geheim", "…")} is refused, and said why`, () => {
      assert.throws(() => parsePostgres(address), { name: "AddressError", message: said });
    });

  it("is checked with the configuration, and a password in it is not repeated", () =>
    inFolder(async (folder) => {
      const file = join(folder, "odmr.yaml");
      writeFileSync(file, `hostname: a.test\nspool: "postgres://odmr:geheim@h/x"\n`);
      const { status, stderr } = await odmr(["check", "--config", file]);
      assert.equal(status, 78);
      assert.match(stderr, /odmr\.yaml:2:8: spool: a password in the spool's address/);
      assert.doesNotMatch(stderr, /geheim/);
    }));

  it("has its password from a file for its owner alone, or as libpq's programs have it", () =>
    inFolder(async (folder) => {
      const secret = join(folder, "secret");
      writeFileSync(secret, "open sesame\n", { mode: 0o600 });
      const address = parsePostgres(`postgres://h/x?passwordFile=${secret}`);
      assert.equal(await passwordOf(address, "odmr"), "open sesame");
      chmodSync(secret, 0o644);
      await assert.rejects(passwordOf(address, "odmr"), /others may read .*chmod 600/);
      const file = "# all\nother:*:*:odmr:no\nh:5432:x:odmr:a\\:b\n*:*:*:*:rest\n";
      assert.equal(inPassFile(file, address, "odmr"), "a:b");
      assert.equal(inPassFile(file, address, "eve"), "rest");
      assert.equal(readFileSync(secret, "utf8"), "open sesame\n");
    }));
});
