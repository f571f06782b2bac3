/** What stands between a node and its database in earnest: TLS, a standby that takes over, a pooler. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock } from "../../src/platform/clock.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { parsePostgres } from "../../src/spool/postgres/address.ts";
import { connect } from "../../src/spool/postgres/connection.ts";
import { openPostgres } from "../../src/spool/postgres/open.ts";
import type { Held } from "../../src/spool/spool.ts";
import { verify } from "../../src/spool/verify.ts";
import { reply } from "../../src/wire/reply.ts";
import { all, DAY, HOME, octets, stored } from "../spool/support.ts";
import {
  type Postgresql,
  startPostgresql,
  unprivileged,
  withPostgresqlOnBun,
} from "../support/postgresql.ts";
import { eventually, freePort, start, withPeers } from "../support/processes.ts";

const LARGE = new Uint8Array(700_000).fill(120);
const expires = Date.now() + 30 * DAY;

const open = (address: string) =>
  openPostgres({
    ...{ address, clock: systemClock, random: systemRandom, log: silent, actor: "serve", id: undefined },
    asIs: false,
  });

describe("a database over a network", withPostgresqlOnBun(), () => {
  it("shows a certificate of its name by the CA that is named, or nothing is said to it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "odmr-pg-tls-"));
    const [here, elsewhere] = ["localhost", "elsewhere.test"].map((name) => selfSigned(folder, name));
    const port = await freePort();
    const server = await startPostgresql({
      port,
      settings: { ssl: "on" },
      files: { "server.crt": here?.certificate ?? "", "server.key": here?.key ?? "" },
    });
    const at = (host: string, query: string) => `postgres://odmr@${host}:${port}/postgres?${query}`;
    const by = (ca: typeof here) => `sslmode=verify-full&sslrootcert=${ca?.file}`;
    const said = async (address: string): Promise<string> => {
      try {
        const connection = await connect(parsePostgres(address), "test");
        const [row] = await connection.all<{ ssl: boolean }>(
          "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        );
        connection.end();
        return row?.ssl === true ? "encrypted" : "plain";
      } catch (error) {
        const { trouble, message } = error as { trouble: string; message: string };
        return `${trouble}: ${message}`;
      }
    };
    try {
      assert.deepEqual(
        await Promise.all(
          [by(here), "sslmode=require", "sslmode=disable"].map((query) => said(at("localhost", query))),
        ),
        ["encrypted", "encrypted", "plain"],
      );
      const refused = /^denied: the database: .*; name the CA of its certificate with sslrootcert=ca\.crt/;
      for (const query of [by(elsewhere), "sslmode=verify-full"])
        assert.match(await said(at("localhost", query)), refused);
      assert.match(await said(at("127.0.0.1", by(here))), /^denied: .*not in the cert's list/);
      await server.put({
        "server.crt": elsewhere?.certificate ?? "",
        "server.key": elsewhere?.key ?? "",
      });
      await server.crash();
      assert.match(await said(at("localhost", by(elsewhere))), /^denied: .*Host: localhost\. is not in/);
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("a database with a standby", withPostgresqlOnBun(), () => {
  it("goes on where the standby takes over, with all that was answered", async () => {
    const first = await startPostgresql({ port: await freePort(), settings: { synchronous_commit: "on" } });
    const second = await startPostgresql({ port: await freePort(), standbyOf: first });
    const ports = [first.port, second.port];
    const address = (order: typeof ports) =>
      `postgres://odmr@${order.map((port) => `127.0.0.1:${port}`).join(",")}/postgres?schema=relay`;
    try {
      const streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
      await eventually(
        async () => (await first.sql(streaming)) === "1",
        () => "nothing streams",
      );
      await first.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
      await first.sql("SELECT pg_reload_conf()");
      // Whoever asks the standby first is not content with it.
      const nodes = await Promise.all([open(address(ports)), open(address(ports.toReversed()))]);
      const ids: string[] = [];
      for (const node of nodes)
        ids.push(await stored(node, { expires }), await stored(node, { body: LARGE, expires }));
      await first.die();
      const under = nodes.map((node) => stored(node, { expires }));
      await second.sql("SELECT pg_promote()");
      ids.push(...(await Promise.all(under)));
      for (const node of nodes) ids.push(await stored(node, { body: LARGE, expires }));
      const there = await all(nodes[0]!.list({}));
      assert.deepEqual(there.map(({ id }) => id).sort(), ids.sort());
      assert.deepEqual(await all(verify(nodes[1]!)), []);
      await Promise.all(nodes.map((node) => node.close()));
    } finally {
      await Promise.all([first.stop(), second.stop()]);
    }
  });
});

describe("a pooler before the database", withPooler(), () => {
  it("is worked through in either mode, and by nobody unknowingly", async () => {
    const server = await startPostgresql({ port: await freePort() });
    try {
      for (const mode of ["transaction", "session"]) await through(server, mode);
    } finally {
      await server.stop();
    }
  });
});

async function through(server: Postgresql, mode: string): Promise<void> {
  const pooler = await startPooler(server, mode);
  const address = `postgres://odmr@127.0.0.1:${pooler.port}/postgres`;
  try {
    await assert.rejects(open(address), {
      ...{ fault: "denied", message: /a pooler is in between: write pooler=transaction/ },
    });
    const nodes = await Promise.all([1, 2].map(() => open(`${address}?pooler=transaction`)));
    const ids = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        stored(nodes[n % 2]!, { expires, ...(n % 10 === 0 && { body: LARGE }) }),
      ),
    );
    for (const node of nodes) await taken(node, ids.length / 2);
    assert.equal(await nodes[0]?.count({}), 0);
    assert.deepEqual(await all(verify(nodes[0]!)), []);
    await Promise.all(nodes.map((node) => node.close()));
  } finally {
    await pooler.stop();
  }
}

/** Takes so many messages, read whole, out of the spool. */
async function taken(spool: EmbeddedSpool, count: number): Promise<void> {
  const claim = await spool.claim({ lane: HOME, lease: 60_000 }, "turn/1");
  if (typeof claim === "string") throw new Error(claim);
  for (let n = 0; n < count; n++) {
    const held: Held | undefined = await claim.next();
    assert.equal((await octets(held?.content() ?? [])).length, held?.size);
    const to = held?.envelope.recipients[0]?.address ?? "";
    await claim.settle(held!, [{ to, result: "delivered", reply: reply(250, "2.0.0", "stored") }]);
  }
  await claim.release();
}

function withPooler(): { readonly skip: string | false } {
  const { skip } = withPostgresqlOnBun();
  return skip === false ? withPeers("pgbouncer") : { skip };
}

async function startPooler(server: Postgresql, mode: string) {
  const folder = mkdtempSync("/tmp/odmr-pooler-");
  const port = await freePort();
  const file = join(folder, "pgbouncer.ini");
  writeFileSync(
    file,
    `[databases]
postgres = host=${server.folder} port=${server.port} user=odmr
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
default_pool_size = ${mode === "session" ? 20 : 2}
`,
  );
  const as = await unprivileged(folder, file);
  const words = ["setpriv", "--pdeathsig=KILL", ...as.slice(1), "pgbouncer", file];
  const running = start(words[0] ?? "", words.slice(1));
  await running.until(() => running.said.stderr.includes("process up"));
  return {
    port,
    stop: async () => {
      await running.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function selfSigned(folder: string, name: string) {
  const [file, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"],
      ...["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`, "-keyout", key, "-out", file],
    ],
    { stdio: "pipe" },
  );
  return { file, certificate: readFileSync(file, "utf8"), key: readFileSync(key, "utf8") };
}
