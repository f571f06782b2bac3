/** `odmr queue verify`: the conservation check, read from the disk and counted again. */
// Nothing is changed. Exit status: 0 all is there and intact, 65 something is lost or may be.
import { buildCommand } from "@stricli/core";
import { type Finding, findingOf, isDamage } from "../../src/spool/finding.ts";
import type { Usage } from "../../src/spool/spool.ts";
import { verify } from "../../src/spool/verify.ts";
import { status } from "../exit.ts";
import { type Context, helpText, switchFlag } from "../flags.ts";
import { workProgress } from "../progress.ts";
import { safe } from "../table.ts";
import { type QueueFlags, queueFlags, remoteOf, withSpool } from "./open.ts";
import { Lines } from "./out.ts";

interface VerifyFlags extends QueueFlags {
  readonly json: boolean;
}

export const verifyCommand = buildCommand<VerifyFlags, [], Context>({
  async func(flags) {
    const { stdout, stderr } = this.process;
    const lines = new Lines(stdout);
    const progress = workProgress("verify", "octets", stderr);
    let damages = 0;
    const tell = async (finding: Finding): Promise<void> => {
      if (isDamage(finding)) damages++;
      await lines.line(flags.json ? JSON.stringify(finding) : said(finding));
    };
    try {
      const remote = await remoteOf(flags);
      const each = async (findings: AsyncIterable<Finding>): Promise<void> => {
        for await (const finding of findings) await tell(finding);
      };
      if (remote !== undefined) await each(remote.verify(progress.update));
      else
        await withSpool(flags, (spool) => each(verify(spool, progress.update))).catch((error) =>
          tell(findingOf(error)),
        );
      if (damages === 0 && !flags.json)
        await lines.line("all that was accepted is accounted for, and intact");
    } finally {
      progress.end();
      await lines.end();
    }
    if (damages > 0) this.process.exitCode = status.dataError;
  },
  parameters: {
    flags: {
      ...queueFlags,
      json: switchFlag("JSON Lines: one object for each thing that is wrong; none if all is well"),
    },
  },
  docs: {
    brief: "Check that nothing is lost: every body's checksum, and every counter",
    fullDescription: helpText(
      "Every id that was ever accepted is delivered, refused, expired, removed by somebody who is named, or still here\n" +
        "with its body intact. Changes nothing; works while odmr serve runs, and on a database with damaged pages:\n" +
        "then `odmr queue export` still saves all that can be read.\n" +
        "Exit status: 0 all is well, 65 something is lost or may be.",
      {
        "odmr queue verify": "check the configuration's spool",
        "odmr queue verify --spool copy.db --json | jq -r '.ids[]?'": "the ids of what is damaged in a copy",
      },
    ),
  },
});

type Said = { readonly [F in Finding as F["type"]]: (finding: F) => string };

const words: Said = {
  missing: ({ ids }) => `missing: the body of ${idsIn(ids)} is not there`,
  damaged: ({ ids }) => `damaged: the body of ${idsIn(ids)} is not what was accepted`,
  unreadable: ({ entries, ids }) =>
    `unreadable: ${count(entries, "entry", "entries")} on damaged pages${ids.length > 0 ? `: ${idsIn(ids)}` : ""}`,
  unbalanced: ({ accepted, states }) => {
    const sum = Object.entries(states).map(([state, n]) => `${n} ${state}`);
    return `unbalanced: ${count(accepted, "recipient", "recipients")} accepted, but ${sum.join(" + ")}`;
  },
  miscounted: ({ direction, customer, counted, found }) =>
    `miscounted: ${direction} ${safe(customer)} counts ${usage(counted)}; there are ${usage(found)}`,
  inconsistent: ({ ids }) => `inconsistent: ${idsIn(ids)} count their recipients or copies wrongly`,
  database: ({ problem }) => `database: ${safe(problem)}`,
  orphan: ({ file }) =>
    `orphan: the body file ${safe(file)} is of no entry; nothing is lost, it goes after a day`,
};

function said(finding: Finding): string {
  return (words[finding.type] as (finding: Finding) => string)(finding);
}

const idsIn = (ids: readonly string[]): string => ids.join(", ") || "an entry without a name";
const count = (n: number, one: string, many: string): string => `${n} ${n === 1 ? one : many}`;
const usage = ({ count: entries, octets }: Usage): string =>
  `${count(entries, "entry", "entries")} of ${octets} octets`;
