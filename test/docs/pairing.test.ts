/** The commands of dist/docs/pairing.md, run one after the other: from nothing to a message that came back. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { fromSource } from "../../cmd/demo/child.ts";
import { freePort } from "../support/processes.ts";
import { inWorld } from "../support/program.ts";

const text = readFileSync(new URL("../../dist/docs/pairing.md", import.meta.url), "utf8");
const commands = [...text.matchAll(/^```sh\n(.*?)^```$/gms)]
  .flatMap(([, lines = ""]) => lines.trimEnd().split("\n"))
  .map((line) => line.split(" "));

test(
  "the commands of the page lead from nothing to mail at home, and no more than five are needed",
  {
    // The way is the same there, and each step is slow to start.
    skip: "Deno" in globalThis,
  },
  () =>
    inWorld(fromSource, async (world) => {
      assert.equal(commands.length, 5);
      const [init = [], serve = [], invite = [], join = [], pull = []] = commands;
      const [port, config] = [await freePort(), ["--config", world.at("relay.yaml")]];

      const made = await world.run([...init.slice(1, -1), world.at("relay.yaml")]);
      assert.equal(made.status, 0, made.stderr);
      // All that differs from the page: where files lie, and that there is but one host.
      const here = (await readFile(world.at("relay.yaml"), "utf8"))
        .replace("0.0.0.0:366", `127.0.0.1:${port}`)
        .replace("0.0.0.0:25", "127.0.0.1:0")
        .replace("/var/lib/odmr", world.at("state"));
      await world.file("relay.yaml", here);

      assert.deepEqual(serve, ["odmr", "serve"]);
      const relay = await world.serve(world.at("relay.yaml"));
      const invited = await world.run([...invite.slice(1), ...config, "--address", "127.0.0.1"]);
      assert.equal(invited.status, 0, invited.stderr);
      await world.file("line", invited.stdout);

      const home = ["--config", world.at("odmr.yaml")];
      const asked = ["--file", world.at("line"), "--to", `maildir:${world.at("mail/{local}")}`];
      const joined = await world.run([
        ...join.slice(1),
        ...home,
        ...asked,
        "--spool",
        world.at("home/spool.db"),
      ]);
      assert.equal(joined.status, 0, joined.stderr);
      assert.match(joined.stdout, /^A message to postmaster@example\.org went to the relay and came back$/m);
      assert.equal((await readdir(world.at("mail/postmaster/new"))).length, 1);

      const calls = (log: string) => log.split('"event":"authenticated"').length - 1;
      const before = await relay.heard(calls);
      const daemon = world.start([...pull.slice(1), ...home]);
      await relay.heard((log) => calls(log) > before || undefined);
      assert.equal((await daemon.end("SIGTERM")).status, 0);

      // What the page says was made, was made.
      for (const name of ["spool.db.key", "spool.db.crt"])
        assert.ok((await readdir(world.at("state"))).includes(name));
      assert.deepEqual((await readdir(world.at("state/spool.db.customers"))).sort(), [
        "home.invitation",
        "home.yaml",
      ]);
      assert.deepEqual(
        ["odmr.crt", "odmr.key", "odmr.yaml"].filter((name) => text.includes(name)),
        (await readdir(world.folder)).filter((name) => name.startsWith("odmr.")).sort(),
      );
    }),
);
