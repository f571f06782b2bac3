/** What becomes of root: a service that root starts works as the user that its configuration names, or not at all. */
// Only root can give up root, so elsewhere the tests of it are skipped; CI is root, or has the others.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fromSource } from "../../cmd/demo/child.ts";
import { portOf, programs, relayOf, World } from "../support/program.ts";
import { givesUpGroups } from "../support/runtime.ts";

const ROOT = process.getuid?.() === 0;
const [USER, UID, GID] = ["nobody", 65_534, 65_534] as const;

/** Whether that user could read the program after it became it: a checkout in a private folder it cannot. */
const reads = (file: string): boolean =>
  spawnSync("setpriv", [`--reuid=${UID}`, `--regid=${GID}`, "--clear-groups", "test", "-r", file]).status ===
  0;

/** A world that belongs to that user; TMPDIR may lie in a folder of root's. */
async function inItsWorld(program: readonly [string, ...string[]], use: (world: World) => Promise<void>) {
  const folder = await mkdtemp("/tmp/odmr-user-");
  const world = new World(folder, program);
  try {
    await use(world);
  } finally {
    await world.end();
  }
}

async function relayAs(world: World, user: string): Promise<string> {
  const file = await relayOf(world);
  await world.file("relay.yaml", `user: ${user}\n${readFileSync(file, "utf8")}`);
  for (const name of ["", "relay.yaml", "home.secret"]) await chown(world.at(name), UID, GID);
  return file;
}

/** One line each of what all threads may do. */
function rights(pid: number): readonly string[] {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"),
  );
  return [...new Set(threads.flatMap((each) => each.match(/^(Uid|Gid|CapEff|CapPrm):.*$/gm) ?? []))];
}

for (const { name, words } of programs) {
  const why = !ROOT
    ? "not root"
    : !givesUpGroups
      ? "this runtime has no setgroups"
      : !words.every((word) => !word.startsWith("/") || reads(word)) && `${USER} cannot read the program`;
  describe(`${name}, started by root,`, { skip: why }, () => {
    it("works as the user of its configuration, in all threads, and its files are for that user alone", () =>
      inItsWorld(words, async (world) => {
        const { doors, pid, end } = await world.serve(await relayAs(world, USER));
        assert.ok(portOf(doors.odmr) > 0);
        assert.deepEqual(rights(pid), [
          `Uid:\t${UID}\t${UID}\t${UID}\t${UID}`,
          `Gid:\t${GID}\t${GID}\t${GID}\t${GID}`,
          "CapPrm:\t0000000000000000",
          "CapEff:\t0000000000000000",
        ]);
        const files = await Promise.all(
          ["", ...(await readdir(world.at("relay"), { recursive: true }))].map(async (file) => {
            const { uid, gid, mode } = await stat(join(world.at("relay"), file));
            return { file, uid, gid, others: mode & 0o077 };
          }),
        );
        assert.ok(files.some(({ file }) => file === "spool.db"));
        assert.deepEqual(
          files.filter(({ uid, gid, others }) => uid !== UID || gid !== GID || others !== 0),
          [],
        );
        assert.equal((await end("SIGTERM")).status, 0);
      }));

    it("ends with 78 where it cannot, or could not read its secrets then, before it touches the spool", () =>
      inItsWorld(words, async (world) => {
        const file = await relayAs(world, "nobody-of-this-name");
        const unknown = await world.run(["serve", "--config", file]);
        assert.equal(unknown.status, 78);
        assert.match(
          unknown.stderr,
          /relay\.yaml: user: there is no user nobody-of-this-name in \/etc\/passwd/,
        );
        await relayAs(world, USER);
        await chown(world.at("home.secret"), 0, 0);
        const unread = await world.run(["serve", "--config", file]);
        assert.equal(unread.status, 78);
        assert.match(unread.stderr, /home\.secret may not be read by this user; chown or chmod it/);
        assert.ok(!(await readdir(world.folder)).includes("relay"), "the spool's folder was made");
      }));
  });
}

describe("odmr join, by root,", () => {
  const [, ...binary] = programs;
  const { words } = binary[0] ?? programs[0]!;
  const why = !ROOT
    ? "not root"
    : !givesUpGroups
      ? "this runtime has no setgroups"
      : !words.every((word) => !word.startsWith("/") || reads(word)) && `${USER} cannot read the program`;
  it("makes all that its user needs, which is that user's, in folders of root's too", { skip: why }, () =>
    inItsWorld(words, async (world) => {
      await mkdir(world.at("post"));
      for (const folder of ["", "post"]) await chmod(world.at(folder), 0o755);
      const { doors } = await world.serve(
        await relayOf(world, { tls: "{ self: true }", domains: ["example.com"] }),
      );
      const invited = async (name: string, domain: string) => {
        const address = `127.0.0.1:${portOf(doors.odmr)}`;
        const where = ["--config", "relay.yaml", "--address", address];
        const { status, stdout, stderr } = await world.run(["invite", name, "--domain", domain, ...where]);
        assert.equal(status, 0, stderr);
        await world.file("line", stdout);
      };
      const taken = (place: string, to: string) =>
        world.run([
          ...[
            "join",
            "--user",
            USER,
            "--config",
            `${place}/etc/odmr.yaml`,
            "--spool",
            `${place}/state/spool.db`,
          ],
          ...["--to", `maildir:${world.at(to)}`, "--file", "line"],
        ]);
      await invited("house", "example.org");
      const joined = await taken("home", "post/{domain}/{local}");
      assert.equal(joined.status, 0, joined.stdout + joined.stderr);
      const whose = async (folder: string) => {
        const names = await readdir(world.at(folder), { recursive: true });
        return await Promise.all(
          names.map(async (name) => [name, (await stat(join(world.at(folder), name))).uid]),
        );
      };
      const files = [...(await whose("home/state")), ...(await whose("home/etc")), ...(await whose("post"))];
      assert.ok(files.length > 8);
      assert.deepEqual(
        files.filter(([, uid]) => uid !== UID),
        [],
      );
      assert.equal((await stat(world.at("home/etc"))).mode & 0o777, 0o750);
      // Root calls, and gives up root.
      const pulled = await world.run(["pull", "--config", "home/etc/odmr.yaml"]);
      assert.deepEqual([pulled.status, pulled.stdout], [0, "relay: no mail\n"], pulled.stderr);
      // Where that user may not write, nothing is spent.
      await invited("barn", "example.net");
      const barred = await taken("barn", "post/{local}");
      assert.equal(barred.status, 73);
      assert.match(barred.stderr, /post is not nobody's, who is to write there; say chown nobody: /);
    }),
  );
});

describe("odmr, started by root on a runtime that keeps root's groups,", () => {
  const skip = !ROOT ? "not root" : givesUpGroups && "this runtime gives them up";
  it("says so, and ends with 78", { skip }, () =>
    inItsWorld(fromSource, async (world) => {
      const { status, stderr } = await world.run(["serve", "--config", await relayAs(world, USER)]);
      assert.equal(status, 78);
      assert.match(stderr, /user: this runtime cannot give up root's groups; start it as nobody/);
    }),
  );
});

describe("odmr, not started by root,", () => {
  const skip =
    ROOT && !(givesUpGroups && reads(fromSource.at(-1)!)) && "nobody else can run the program here";
  it("goes on as who it is, whatever user is named", { skip }, () => {
    const asNobody = ROOT ? (["setpriv", `--reuid=${UID}`, `--regid=${GID}`, "--clear-groups"] as const) : [];
    const [first, ...rest] = [...asNobody, ...fromSource];
    return inItsWorld([first!, ...rest], async (world) => {
      const file = await relayAs(world, "nobody-of-this-name").catch(() => world.at("relay.yaml"));
      await chmod(world.folder, 0o700);
      const { pid, end } = await world.serve(file);
      assert.match(rights(pid).join("\n"), /^Uid:\t(?!0\t)/);
      assert.equal((await end("SIGTERM")).status, 0);
    });
  });
});
