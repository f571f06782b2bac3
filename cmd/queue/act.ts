/** `odmr queue hold`, `release`, `retry`, `remove`, `bounce` and `move`: an operator's word on entries. */
// Everything needs ids, a filter or --all, and says with --dry-run what it would do.
import { buildCommand, type Command } from "@stricli/core";
import { systemClock } from "../../src/platform/clock.ts";
import type { Action } from "../../src/spool/spool.ts";
import { status, UsageError } from "../exit.ts";
import { type Context, switchFlag, textFlag } from "../flags.ts";
import { allFlag, type FilterFlags, filterFlags, filterOf, idArguments, mustChoose } from "./filter.ts";
import { actorFor, type QueueFlags, queueFlags, withQueue } from "./open.ts";
import { Lines } from "./out.ts";

interface ActFlags extends QueueFlags, FilterFlags {
  readonly all: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly reason?: string;
}

const actFlags = {
  ...queueFlags,
  ...filterFlags,
  all: allFlag,
  dryRun: switchFlag("Say what would be done, and do nothing"),
  json: switchFlag("JSON Lines: one object for each entry"),
  reason: textFlag("TEXT", "Why, for the history"),
} as const;

const briefs = {
  hold: "Keep entries back until they are released",
  release: "Let held entries go on",
  retry: "Make waiting entries due now",
  remove: "Delete entries, without a word to their senders",
  bounce: "Refuse entries: their senders are told",
} as const;

const past: Readonly<Record<Action["type"], string>> = {
  hold: "held",
  release: "released",
  retry: "retried",
  remove: "removed",
  bounce: "bounced",
  move: "moved",
};

export const actCommand = (type: keyof typeof briefs): Command<Context> =>
  buildCommand<ActFlags, string[], Context>({
    async func(flags, ...ids) {
      await act(this, { type }, flags, ids);
    },
    parameters: { flags: actFlags, positional: idArguments },
    docs: { brief: briefs[type], customUsage: ["(ID... | filters | --all)"] },
  });

interface MoveFlags extends Omit<ActFlags, "customer"> {
  readonly customer: string;
  readonly fromCustomer?: string;
}

export const moveCommand = buildCommand<MoveFlags, string[], Context>({
  async func({ customer, fromCustomer, ...flags }, ...ids) {
    const from = fromCustomer === undefined ? {} : { customer: fromCustomer };
    await act(this, { type: "move", customer }, { ...flags, ...from }, ids);
  },
  parameters: {
    flags: {
      ...actFlags,
      customer: { kind: "parsed", parse: (name) => name, placeholder: "NAME", brief: "Whose they become" },
      fromCustomer: textFlag("NAME", "Of this customer"),
    },
    positional: idArguments,
  },
  docs: {
    brief: "Give entries to another customer",
    customUsage: ["--customer NAME (ID... | filters | --all)"],
  },
});

async function act(context: Context, action: Action, flags: ActFlags, ids: readonly string[]): Promise<void> {
  const { stdout, stderr } = context.process;
  const filter = await filterOf(flags, ids, systemClock.now());
  mustChoose(filter, flags.all);
  const changed = await withQueue(flags, async ({ queue, config }) => {
    if (action.type === "move" && config?.serve?.customers.every(({ name }) => name !== action.customer))
      throw new UsageError(`there is no customer ${JSON.stringify(action.customer)} in ${config.file}`);
    const lines = new Lines(stdout);
    const word = `${flags.dryRun ? "would be " : ""}${past[action.type]}`;
    let count = 0;
    for await (const id of queue.act(
      action,
      filter,
      actorFor(flags.reason),
      flags.dryRun ? "dry" : undefined,
    )) {
      count++;
      const json = { id, action: action.type, dryRun: flags.dryRun };
      await lines.line(flags.json ? JSON.stringify(json) : `${id} ${word}`);
    }
    await lines.end();
    return count;
  });
  if (changed > 0) return;
  stderr.write("odmr: nothing matched\n");
  context.process.exitCode = status.noMatch;
}
