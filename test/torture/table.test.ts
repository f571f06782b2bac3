import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { count, type Rows, tally } from "./job.ts";
import { asLines, asTable, type Run } from "./table.ts";

const rows: Rows = {};
count(rows, "SIGKILL", { happened: 1_000, rounds: 200, accepted: 4, ...tally([]) });
count(rows, "SIGKILL", { happened: 234, accepted: 2, ...tally([{ type: "lost", what: "n1" }]) });
const runs: readonly Run[] = [
  { how: "kill --rounds 3 --seed 7", report: { rounds: 3, failed: 1, rows } },
  {
    how: "fuzz --rounds 9 --seed 7",
    report: { rounds: 9, failed: 0, rows: { "bent octets": { happened: 9, wrong: 0 } } },
  },
];

describe("what came of the torture", () => {
  it("is a table in Markdown, with a figure where somebody looked, and with what to type to see it again", () => {
    assert.equal(
      asTable(runs),
      `| fault | how often | rounds | answered 250 | lost | doubled between our ends | changed | otherwise wrong | again: \`npm run torture -- …\` |
| --- | --: | --: | --: | --: | --: | --: | --: | --- |
| SIGKILL | 1,234 | 200 | 6 | 1 | 0 | 0 | 0 | \`kill --rounds 3 --seed 7\` |
| bent octets | 9 |  |  |  |  |  | 0 | \`fuzz --rounds 9 --seed 7\` |`,
    );
  });

  it("is JSON Lines for programs", () => {
    assert.deepEqual(
      asLines(runs)
        .split("\n")
        .map((line) => JSON.parse(line)),
      [
        {
          ...{ fault: "SIGKILL", happened: 1_234, rounds: 200, accepted: 6 },
          ...{ lost: 1, doubled: 0, changed: 0, wrong: 0 },
          again: "npm run torture -- kill --rounds 3 --seed 7",
        },
        {
          ...{ fault: "bent octets", happened: 9, wrong: 0 },
          again: "npm run torture -- fuzz --rounds 9 --seed 7",
        },
      ],
    );
  });
});
