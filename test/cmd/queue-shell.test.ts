import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemFiles } from "../../src/platform/files.ts";
import { openSpool } from "../../src/spool/open.ts";
import { HandClock, post, seeded } from "../spool/support.ts";
import { commandLine } from "../support/cli.ts";
import { inFolder } from "../support/mail.ts";
import { idsOf, withQueue } from "../support/queue.ts";

const withJq = { skip: spawnSync("jq", ["--version"]).status === 0 ? false : "there is no jq" };

/** A line of shell, in which `odmr` is the program on the configuration in the folder. */
function shell(
  folder: string,
  line: string,
): { readonly code: number | null; readonly out: string; readonly err: string } {
  const words = commandLine([]).map((word) => `'${word}'`);
  const odmr = `odmr() { ${words.join(" ")} "$@" --config '${join(folder, "odmr.yaml")}'; }`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", `set -o pipefail; ${odmr}; ${line}`], {
    ...{ cwd: folder, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } },
  });
  return { code: status, out: stdout, err: stderr };
}

test("ids go from a list through jq into an action", withJq, () =>
  withQueue(async (queue, folder) => {
    const [small = "", large = ""] = idsOf(
      (await queue("import", "--to", "a@example.org", join(folder, "one.eml"), join(folder, "two.eml"))).out,
    );
    const all = shell(folder, "odmr queue list --json | jq -r .id | odmr queue hold -");
    assert.deepEqual([all.code, all.err, idsOf(all.out)], [0, "", [small, large]]);
    const some = shell(
      folder,
      "odmr queue list --state held --json | jq -r 'select(.size > 1000) | .id' | odmr queue release - --json | jq -r .id",
    );
    assert.deepEqual([some.code, some.out], [0, `${large}\n`]);
    const recipients = shell(
      folder,
      "odmr queue list --json | jq -r '.recipients[] | select(.state == \"held\") | .address'",
    );
    assert.equal(recipients.out, "a@example.org\n");
    const none = shell(folder, "odmr queue list --customer other --json | jq -r .id | odmr queue remove -");
    assert.deepEqual([none.code, none.err], [1, "odmr: nothing matched\n"]);
    assert.equal((await queue("count")).out, "2\n");
  }),
);

test("verify, history, stats and rules are JSON Lines, and a reader may stop early", withJq, () =>
  withQueue(async (queue, folder) => {
    await queue("import", "--to", "a@example.org", join(folder, "one.eml"), join(folder, "two.eml"));
    await queue("rule", "add", "--customer", "home");
    const lines = ["stats", "history", "rule list", "verify"].map((words) => `odmr queue ${words} --json`);
    const said = shell(folder, `{ ${lines.join("; ")}; } | jq -c 'keys | length'`);
    assert.equal(said.code, 0, said.err);
    assert.deepEqual([...new Set(said.out.trim().split("\n"))], ["6", "8"]);
    const first = shell(folder, "odmr queue list | head -n 1 | cut -f 2");
    assert.deepEqual([first.code, first.out, first.err], [0, "waiting\n", ""]);
  }),
);

/** A list's length, and the most memory that it had. `/proc` tells of it while the process is there. */
function listed(path: string): Promise<{ readonly lines: number; readonly peak: number }> {
  const [file, ...words] = commandLine(["queue", "list", "--json", "--spool", path]);
  return new Promise((resolve, reject) => {
    const child = spawn(file, words, { stdio: ["ignore", "pipe", "inherit"] });
    let lines = 0;
    let peak = 0;
    child.stdout.on("data", (piece: Buffer) => {
      for (const octet of piece) if (octet === 10) lines++;
      peak = Math.max(peak, peakOf(child.pid));
    });
    child.on("error", reject);
    child.on("close", () => resolve({ lines, peak }));
  });
}

/** VmHWM, in megabytes. */
function peakOf(pid: number | undefined): number {
  try {
    const [, kilobytes = "0"] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kilobytes) / 1024;
  } catch {
    return 0;
  }
}

const onLinux = { skip: process.platform === "linux" ? false : "there is no /proc" };

test("a list of twenty thousand takes little more memory than a list of one thousand", onLinux, () =>
  inFolder(async (folder) => {
    const open = (name: string) =>
      openSpool({
        path: join(folder, name),
        clock: new HandClock(),
        random: seeded(9),
        log: { log: () => {} },
        files: systemFiles,
        thread: "here",
      });
    const peaks: number[] = [];
    for (const count of [1000, 20_000]) {
      const path = join(folder, `${count}.db`);
      const spool = await open(`${count}.db`);
      for (let n = 0; n < count; n += 1000)
        await Promise.all(Array.from({ length: 1000 }, () => post(spool, { subject: "s".repeat(500) })));
      await spool.close();
      const { lines, peak } = await listed(path);
      assert.equal(lines, count);
      peaks.push(peak);
    }
    const [few = 0, many = 0] = peaks;
    assert.ok(
      many - few < 80,
      `${few.toFixed()} MB for a thousand, ${many.toFixed()} MB for twenty thousand`,
    );
  }),
);

test("a line's end in an id list may be of any kind", () =>
  withQueue(async (queue, folder) => {
    const [id = ""] = idsOf((await queue("import", "--to", "a@example.org", join(folder, "one.eml"))).out);
    writeFileSync(join(folder, "ids"), `\r\n${id.toUpperCase()} and what people like\r\n`);
    const held = shell(folder, "odmr queue hold - < ids");
    assert.deepEqual([held.code, held.out], [0, `${id} held\n`]);
  }));
