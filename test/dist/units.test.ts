/** The systemd units: right by systemd's own judgement, tight by its own measure, and not too tight for the program. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { lettersIn } from "../../cmd/demo/letters.ts";
import { send } from "../../cmd/demo/send.ts";
import { withPeers } from "../support/processes.ts";
import { inWorld, portOf, programs, relayOf } from "../support/program.ts";

const folder = fileURLToPath(new URL("../../dist/systemd", import.meta.url));
const fixtures = fileURLToPath(new URL("../fixtures", import.meta.url));
const units = readdirSync(folder).sort();
const services = units.filter((unit) => unit.endsWith(".service"));

describe("the systemd units", withPeers("systemd-analyze"), () => {
  it("are what systemd takes without a word", () => {
    const place = mkdtempSync(join(tmpdir(), "odmr-units-"));
    try {
      writeFileSync(join(place, "odmr"), "#!/bin/sh\n");
      chmodSync(join(place, "odmr"), 0o755);
      for (const unit of units)
        writeFileSync(
          join(place, unit),
          readFileSync(join(folder, unit), "utf8").replaceAll("/usr/bin/odmr", join(place, "odmr")),
        );
      const { status, stdout, stderr } = spawnSync(
        "systemd-analyze",
        ["verify", "--man=no", ...units.map((unit) => join(place, unit))],
        { encoding: "utf8" },
      );
      const ours = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("odmr"));
      assert.deepEqual({ status, ours }, { status: 0, ours: [] });
    } finally {
      rmSync(place, { recursive: true });
    }
  });

  for (const unit of services)
    it(`${unit} is exposed less than 2.0 of 10`, () => {
      const words = ["security", "--offline=true", "--threshold=20", join(folder, unit)];
      const said = spawnSync("systemd-analyze", words, { encoding: "utf8" });
      assert.equal(said.status, 0, said.stdout.split("\n").slice(-3).join(" ") + said.stderr);
    });

  it("keep memory for the mail to come, as the container does", () => {
    const setting = /^(?:Environment=|ENV )MIMALLOC_PURGE_DELAY=-1$/m;
    const files = [...services.map((unit) => join(folder, unit)), join(folder, "../container/Containerfile")];
    assert.deepEqual(
      files.filter((file) => !setting.test(readFileSync(file, "utf8"))),
      [],
    );
  });

  it("run commands that there are, with options that there are", () => {
    const run = services.flatMap((unit) =>
      [...readFileSync(join(folder, unit), "utf8").matchAll(/^ExecStart=\/usr\/bin\/odmr (.*)$/gm)].map(
        ([, words]) => words,
      ),
    );
    assert.deepEqual(run.sort(), [
      "pull --config /etc/odmr/odmr.yaml",
      "pull --daemon --config /etc/odmr/odmr.yaml",
      "serve --config /etc/odmr/odmr.yaml",
    ]);
  });
});

for (const { name, words } of programs.slice(-1))
  describe(`${name}, under the units' SystemCallFilter,`, withPeers("strace", "systemd-analyze"), () => {
    it(
      "asks for no system call that is refused",
      { skip: "Deno" in globalThis && "the unit runs the binary" },
      () =>
        inWorld(["strace", "-f", "-qq", "-o", "calls", ...words], async (world) => {
          const serving = await world.serve(await relayOf(world));
          const letters = await lettersIn(fixtures);
          await send(letters, { port: portOf(serving.doors.intake), sessions: 4 }, () => {});
          const child = readFileSync(`/proc/${serving.pid}/task/${serving.pid}/children`, "utf8");
          process.kill(Number(child), "SIGHUP");
          await serving.heard((stderr) => (stderr.includes('"event":"reloaded"') ? true : undefined));
          process.kill(Number(child), "SIGTERM");
          await serving.ended;
          const calls = readFileSync(world.at("calls"), "latin1").matchAll(
            // A number beyond the kernel's own (syscall_0x5bf) is what strace reads of a thread that just ended.
            /^\d+ +(?:<\.\.\. )?(?!syscall_0x)([a-z]\w*)[( ]/gm,
          );
          const allowed = allowedBy(readFileSync(join(folder, "odmr.service"), "utf8"));
          // SQLite gives its files to the spool's owner, if it is root that writes: the unit's user is not.
          const refused = [...new Set([...calls].map(([, call = ""]) => call))].filter(
            (call) => !allowed.has(call) && call !== "fchown",
          );
          assert.ok(allowed.has("openat") && !allowed.has("mount"));
          assert.deepEqual(refused, []);
        }),
    );
  });

/** What the lines SystemCallFilter= of a unit come to. */
function allowedBy(unit: string): ReadonlySet<string> {
  const allowed = new Set<string>();
  for (const [, not, sets = ""] of unit.matchAll(/^SystemCallFilter=(~?)(.*)$/gm))
    for (const call of sets.split(" ").flatMap((set) => [...membersOf(set)]))
      if (not === "~") allowed.delete(call);
      else allowed.add(call);
  return allowed;
}

function membersOf(set: string): readonly string[] {
  const text = execFileSync("systemd-analyze", ["syscall-filter", "--no-pager", set], { encoding: "utf8" });
  const members = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#") && line !== set);
  return members.flatMap((member) => (member.startsWith("@") ? membersOf(member) : [member]));
}
