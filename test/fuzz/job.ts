/** The fuzzer as a job of the torture: a round is one bent piece of octets. */
import type { Job } from "../torture/job.ts";
import { fuzz, save } from "./fuzz.ts";
import { targets } from "./targets.ts";

export const fuzzing: Job = {
  what: "bent octets for every parser and engine",
  rounds: 5_000,
  share: 1,
  async run({ seed, more, say }) {
    const found = (crash: Parameters<typeof save>[0]) => {
      const file = save(crash, ".");
      say(`${crash.error.message}\n  again: bun test/fuzz/fuzz.ts --replay ${file}`);
    };
    const { executions, crashes } = await fuzz({ targets, seed, more, found });
    await Promise.all(targets.map((target) => target.close?.()));
    const counts = { happened: executions, rounds: executions, wrong: crashes.length };
    return { rounds: executions, failed: crashes.length, rows: { "bent octets": counts } };
  },
};
