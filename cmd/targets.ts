/** From what the configuration calls a target to the delivery that carries mail there, and to what may stand in its way. */
import type { Rule as Settings } from "../src/config/config.ts";
import { formatTarget, type Target } from "../src/config/target.ts";
import { command, commandProblem } from "../src/delivery/command.ts";
import { copies } from "../src/delivery/copies.ts";
import type { Delivery } from "../src/delivery/delivery.ts";
import { dialled, type Hop, hopTrouble } from "../src/delivery/dialled.ts";
import { discard } from "../src/delivery/discard.ts";
import { withFallback } from "../src/delivery/fallback.ts";
import { withHours } from "../src/delivery/hours.ts";
import { maildir, maildirProblem } from "../src/delivery/maildir.ts";
import { mbox, mboxProblem } from "../src/delivery/mbox.ts";
import type { Rule } from "../src/delivery/sorted.ts";
import { dial } from "../src/net/dial.ts";
import type { Clock } from "../src/platform/clock.ts";
import type { Random } from "../src/platform/random.ts";
import { openingOf } from "../src/relay/schedule.ts";

export interface TargetTools {
  /** Our name in LHLO and EHLO. */
  readonly hostname: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** A server in the same house answers soon, or is down. */
const DIAL_WITHIN = 30_000;

export function deliveryTo(target: Target, tools: TargetTools): Delivery {
  switch (target.type) {
    case "maildir":
      return maildir({ ...target, ...tools });
    case "mbox":
      return mbox({ ...target, ...tools });
    case "command":
      return command({ ...target, ...tools });
    case "discard":
      return discard();
    case "smtp":
    case "lmtp":
      return dialled(hopOf(target, tools));
    default:
      return target satisfies never;
  }
}

/** The rules of an account, with what carries mail their way. @param timezone of rules that name none */
export function rulesOf(
  rules: readonly Settings[],
  timezone: string | undefined,
  tools: TargetTools,
): readonly Rule[] {
  return rules.map(({ redirect, ...rule }) =>
    redirect === undefined ? { ...rule, delivery: wayOf(rule, timezone, tools) } : { ...rule, redirect },
  );
}

/** One target or copies to several, each with what stands behind it, within the rule's hours. */
function wayOf(
  { to = [], otherwise, during, timezone }: Settings,
  zone: string | undefined,
  tools: TargetTools,
): Delivery {
  const each = [to].flat().map((target) => {
    const first = deliveryTo(target, tools);
    const delivery = otherwise === undefined ? first : withFallback(first, deliveryTo(otherwise, tools));
    return { name: formatTarget(target), delivery };
  });
  const [only, ...others] = each;
  const way = only !== undefined && others.length === 0 ? only.delivery : copies(each);
  return during === undefined ? way : withHours(way, openingOf(during, timezone ?? zone), tools.clock);
}

/** Why nothing could be delivered there now; undefined: nothing is known against it. */
export async function targetProblem(target: Target, tools: TargetTools): Promise<string | undefined> {
  switch (target.type) {
    case "maildir":
      return maildirProblem(target.path);
    case "mbox":
      return mboxProblem(target.path);
    case "command":
      return commandProblem(target.argv);
    case "discard":
      return undefined;
    case "smtp":
    case "lmtp":
      return hopTrouble(hopOf(target, tools));
    default:
      return target satisfies never;
  }
}

function hopOf(target: Extract<Target, { type: "smtp" | "lmtp" }>, { hostname, clock }: TargetTools): Hop {
  const { type, at } = target;
  const place = "path" in at ? { host: "localhost", port: 0, socket: at.path } : at;
  return {
    dialect: type === "lmtp" ? "LMTP" : "SMTP",
    name: formatTarget(target),
    hostname,
    dial: () => dial({ ...place, clock, within: DIAL_WITHIN }),
  };
}
