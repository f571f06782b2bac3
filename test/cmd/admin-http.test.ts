import assert from "node:assert/strict";
import { appendFile, chmod } from "node:fs/promises";
import { request } from "node:http";
import { describe, it } from "node:test";
import type { Child } from "../../cmd/demo/child.ts";
import type { EntryJson } from "../../src/admin/schema.ts";
import { inWorld, programs, relayOf, type World } from "../support/program.ts";

const TOKEN = "sesame-0123456789";
const auth = { authorization: `Bearer ${TOKEN}` };
const MESSAGE = "Subject: hello\r\n\r\nhello\r\n";

interface Answer {
  readonly status: number;
  readonly text: string;
}

type Place = { readonly socketPath: string } | { readonly host: string; readonly port: number };

function get(place: Place, path: string, headers: Record<string, string> = auth): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...place, path, headers: { host: "localhost", ...headers } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    asked.on("error", reject).end();
  });
}

/** Reads a stream until `enough` makes something of it. */
function follow<T>(place: Place, enough: (text: string) => T | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...place, path: "/api/v1/events", headers: { host: "localhost", ...auth } });
    asked.on("error", reject);
    asked.on("response", (answer) => {
      let text = "";
      answer.on("error", () => {});
      answer.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
        const made = enough(text);
        if (made === undefined) return;
        resolve(made);
        asked.destroy();
      });
    });
    asked.end();
  });
}

/** Where the admin interface of this process listens. */
async function placeOf(child: Child): Promise<Place> {
  const address = await child.heard((log) => /"service":"admin","address":"([^"]+)"/.exec(log)?.[1]);
  if (address.startsWith("unix:")) return { socketPath: address.slice("unix:".length) };
  return { host: "127.0.0.1", port: Number(address.split(":").at(-1)) };
}

async function adminHttp(
  world: World,
  listen: string,
): Promise<{ readonly child: Child; readonly place: Place }> {
  await world.file("admin.token", `${TOKEN}\n`);
  const args = ["--spool", world.at("spool.db"), "--token-file", world.at("admin.token"), "--listen", listen];
  const child = world.start(["admin-http", ...args, "--log", "json"]);
  return { child, place: await placeOf(child) };
}

const add = (world: World, config: string, file: string) =>
  world.run([
    "queue",
    "import",
    "--config",
    config,
    "--from",
    "ann@world.example",
    "--to",
    "bob@example.org",
    file,
  ]);

for (const { name, words } of programs)
  describe(`odmr admin-http (${name})`, () => {
    it("serves a spool on a port, without a configuration, and ends when told to", () =>
      inWorld(words, async (world) => {
        const { child, place } = await adminHttp(world, "127.0.0.1:0");
        assert.equal((await get(place, "/healthz", {})).status, 200);
        assert.equal((await get(place, "/api/v1/queue", {})).status, 401);
        assert.equal((await get(place, "/api/v1/queue", { ...auth, host: "evil.example" })).status, 403);
        assert.deepEqual(JSON.parse((await get(place, "/api/v1/queue")).text), { items: [], next: null });
        const metrics = (await get(place, "/metrics")).text;
        assert.match(metrics, /^process_resident_memory_bytes \d+$/m);
        assert.equal((await child.end("SIGTERM")).status, 0);
      }));

    it("serves on a unix socket, and takes the place of one that nobody answers on", () =>
      inWorld(words, async (world) => {
        const listen = `unix:${world.at("admin.sock")}`;
        const first = await adminHttp(world, listen);
        assert.equal((await get(first.place, "/api/v1/stats")).status, 200);
        const second = world.start([
          ...["admin-http", "--spool", world.at("spool.db"), "--token-file", world.at("admin.token")],
          ...["--listen", listen],
        ]);
        assert.notEqual((await second.ended).status, 0);
        await first.child.end("SIGKILL");
        const third = await adminHttp(world, listen);
        assert.equal((await get(third.place, "/api/v1/stats")).status, 200);
      }));

    it("shows what another process does as it happens", () =>
      inWorld(words, async (world) => {
        const config = await relayOf(world);
        await world.file("admin.token", `${TOKEN}\n`);
        const args = ["--config", config, "--token-file", world.at("admin.token"), "--listen", "127.0.0.1:0"];
        const place = await placeOf(world.start(["admin-http", ...args, "--log", "json"]));
        const letter = await world.file("letter.eml", MESSAGE);
        let began = false;
        const seen = await follow(place, (text) => {
          if (!began) {
            began = true;
            void add(world, config, letter);
          }
          return /event: change\ndata: (\{.*"what":"accepted".*\})\n/.exec(text)?.[1];
        });
        const { id } = JSON.parse(seen) as { id: string };
        const entry = JSON.parse((await get(place, `/api/v1/queue/${id}`)).text) as EntryJson;
        assert.equal(entry.customer, "home");
        const { items } = JSON.parse((await get(place, "/api/v1/customers")).text) as {
          items: { name: string; configured: boolean; entries: number }[];
        };
        assert.deepEqual(
          items.map(({ name, configured, entries }) => [name, configured, entries]),
          [["home", true, 1]],
        );
      }));

    it("runs within odmr serve where the configuration has admin:", () =>
      inWorld(words, async (world) => {
        const config = await relayOf(world);
        await world.file("admin.token", `${TOKEN}\n`);
        await world.file("read.token", "look-0123456789\n");
        await appendFile(
          config,
          'admin: { listen: "127.0.0.1:0", token: { file: admin.token }, readToken: { file: read.token } }\n',
        );
        const serving = await world.serve(config, { doors: 3 });
        const place = await placeOf(serving);
        assert.equal((await get(place, "/api/v1/queue")).status, 200);
        const look = { authorization: "Bearer look-0123456789" };
        assert.equal((await get(place, "/api/v1/customers", look)).status, 200);
        assert.equal((await serving.end("SIGTERM")).status, 0);
      }));

    it("says what is missing: 64, 78", () =>
      inWorld(words, async (world) => {
        const config = await relayOf(world);
        const bare = await world.run(["admin-http", "--config", config]);
        assert.deepEqual([bare.status, bare.stdout], [78, ""]);
        assert.match(bare.stderr, /admin: is missing; write admin: \{ token/);
        const wrong = await world.run([
          "admin-http",
          "--listen",
          "nowhere",
          "--spool",
          "x",
          "--token-file",
          "y",
        ]);
        assert.equal(wrong.status, 64);
        await world.file("open.token", TOKEN);
        await chmod(world.at("open.token"), 0o644);
        const open = await world.run([
          ...["admin-http", "--spool", world.at("spool.db"), "--listen", "127.0.0.1:0"],
          ...["--token-file", world.at("open.token")],
        ]);
        assert.equal(open.status, 78);
        assert.match(open.stderr, /others may read it; chmod 600/);
      }));
  });
