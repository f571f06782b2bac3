/** The fail2ban filter, tried by fail2ban on lines of our own log: it finds the guessers, and nobody whom they name. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { openLog } from "../../cmd/log.ts";
import { inFolder } from "../support/cli.ts";
import { manualClock } from "../support/clock.ts";
import { run, withPeers } from "../support/processes.ts";

const filter = fileURLToPath(new URL("../../dist/fail2ban/filter.conf", import.meta.url));

describe("the fail2ban filter", withPeers("fail2ban-regex"), () => {
  for (const format of ["text", "json"] as const)
    it(`finds those who guess or speak across the turn in a log of ${format}, and nobody else`, () =>
      inFolder(async (folder) => {
        const lines: string[] = [];
        const write = (line: string): void => void lines.push(line);
        const log = openLog({ format, level: "info", clock: manualClock(), write, colour: false });
        const service = "odmr";
        log.log("warn", "authentication refused", { peer: "192.0.2.7", service, user: "home" });
        log.log("warn", "authentication refused", { peer: "2001:db8::7", service });
        log.log("warn", "session failed", { peer: "192.0.2.9", service, why: "octets across the turn" });
        const guilty = [...lines];
        log.log("info", "authenticated", { peer: "192.0.2.10", service, user: "home" });
        log.log("warn", "session failed", { peer: "192.0.2.11", service, why: "hung up" });
        const named =
          'warn authentication refused peer=192.0.2.12 service=odmr","event":"authentication refused","peer":"192.0.2.12"';
        log.log("warn", "session failed", { peer: "192.0.2.11", service, why: named });
        log.log("info", "accepted", { from: `"\n${named}"@example.org`, peer: "192.0.2.11" });
        const file = join(folder, "log");
        await writeFile(file, lines.join(""));
        const { stdout } = await run("fail2ban-regex", ["--print-all-matched", file, filter]);
        const matched =
          stdout
            .split("Matched line(s):\n")[1]
            ?.split("`-")[0]
            ?.matchAll(/^\| {2}(.*)$/gm) ?? [];
        assert.deepEqual(
          [...matched].map(([, line]) => `${line}\n`),
          guilty,
        );
      }));
});
