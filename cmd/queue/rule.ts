/** `odmr queue rule add`, `list` and `remove`: rules that hold new mail from its first moment. */
// A rule is about mail to come; what is here already is held by `odmr queue hold`.
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { HoldRule } from "../../src/spool/records.ts";
import { Exit, status, UsageError } from "../exit.ts";
import { type Context, helpText, switchFlag, textFlag } from "../flags.ts";
import { safe } from "../table.ts";
import { type FilterFlags, filterFlags, idsOf } from "./filter.ts";
import { actorFor, type QueueFlags, queueFlags, withQueue } from "./open.ts";
import { Lines } from "./out.ts";
import { time } from "./print.ts";

interface RuleFlags extends QueueFlags {
  readonly json: boolean;
}

const ruleFlags = { ...queueFlags, json: switchFlag("JSON Lines: one object for each rule") } as const;

interface AddFlags extends RuleFlags, Pick<FilterFlags, "customer" | "sender" | "recipient" | "largerThan"> {
  readonly reason?: string;
}

const addCommand = buildCommand<AddFlags, [], Context>({
  async func(flags) {
    const given = Object.entries(conditionsOf(flags)).filter(([, value]) => value !== undefined);
    if (given.length === 0)
      throw new UsageError("hold what? give --customer, --sender, --recipient or --larger-than");
    const { name: actor, reason } = actorFor(flags.reason);
    const rule = { ...Object.fromEntries(given), actor, reason };
    const added = await withQueue(flags, ({ rules }) => rules.addHoldRule(rule));
    await print(this, flags, [added]);
  },
  parameters: {
    flags: {
      ...ruleFlags,
      customer: textFlag("NAME", "Of this customer"),
      sender: filterFlags.sender,
      recipient: filterFlags.recipient,
      largerThan: filterFlags.largerThan,
      reason: textFlag("TEXT", "Why, for the history"),
    },
  },
  docs: {
    brief: "Hold new mail that fits all that is given",
    fullDescription: helpText("Addresses take globs. What a rule held is released by odmr queue release.", {
      'odmr queue rule add --sender "*@spam.example"': "all from there",
      "odmr queue rule add --customer home --larger-than 20MiB": "large mail of one customer",
    }),
  },
});

const listCommand = buildCommand<RuleFlags, [], Context>({
  async func(flags) {
    const rules = await withQueue(flags, (desk) => desk.rules.holdRules());
    await print(this, flags, rules);
    if (rules.length === 0) this.process.exitCode = status.noMatch;
  },
  parameters: { flags: ruleFlags },
  docs: { brief: "List the rules, oldest first" },
});

const removeCommand = buildCommand<QueueFlags, string[], Context>({
  async func(flags, ...words) {
    const ids = await idsOf(words);
    if (ids === undefined) throw new UsageError("which rule? give its id");
    const unknown = await withQueue(flags, async ({ rules }) => {
      const unknown: string[] = [];
      for (const id of ids) if (!(await rules.removeHoldRule(id))) unknown.push(id);
      return unknown;
    });
    if (unknown.length > 0) throw new Exit(status.noMatch, `there is no rule ${unknown.join(", ")}`);
  },
  parameters: {
    flags: queueFlags,
    positional: {
      kind: "array",
      parameter: {
        parse: (id: string) => id,
        brief: 'Ids of rules; "-" reads them from stdin',
        placeholder: "ID",
      },
    },
  },
  docs: { brief: "Take rules away; what they held stays held" },
});

export const ruleRoutes = buildRouteMap<string, Context>({
  routes: { add: addCommand, list: listCommand, remove: removeCommand },
  docs: { brief: "Rules that hold mail to come, by customer, sender, recipient or size" },
});

type Conditions = Pick<HoldRule, "customer" | "sender" | "recipient" | "largerThan">;

function conditionsOf({ customer, sender, recipient, largerThan }: Pick<AddFlags, keyof Conditions>): object {
  return { customer, sender, recipient, largerThan };
}

async function print({ process }: Context, flags: RuleFlags, rules: readonly HoldRule[]): Promise<void> {
  const lines = new Lines(process.stdout);
  for (const rule of rules) await lines.line(flags.json ? ruleJson(rule) : ruleLine(rule));
  await lines.end();
}

function ruleJson({ id, customer, sender, recipient, largerThan, reason, actor, made }: HoldRule): string {
  const given = { customer, sender, recipient, largerThan };
  const conditions = Object.entries(given).map(([name, value]) => [name, value ?? null]);
  return JSON.stringify({ id, ...Object.fromEntries(conditions), reason, actor, made: time(made) });
}

function ruleLine({ id, customer, sender, recipient, largerThan, reason }: HoldRule): string {
  const given = { customer, sender, recipient, "larger-than": largerThan?.toString() };
  const conditions = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${safe(value)}`,
  );
  return [id, ...conditions, safe(reason)].join("\t").trimEnd();
}
