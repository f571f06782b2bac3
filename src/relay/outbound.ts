/** The way out: by a smarthost that knows us, or by the MX hosts of each domain. */
// A run over a customer's lane opens a delivery and closes it: its lines are used again within the run. Limits are over all.
import type { Delivery } from "../delivery/delivery.ts";
import { type ExchangeTools, exchanges } from "../delivery/exchange.ts";
import type { Limits } from "../delivery/limits.ts";
import { lines } from "../delivery/lines.ts";
import { signed } from "../delivery/signed.ts";
import type { DkimKey } from "../mail/dkim.ts";
import type { Login } from "./login.ts";
import { type SmarthostTools, smarthostHop } from "./smarthost.ts";

export interface Outbound {
  /** Milliseconds until a message is given up, and until its sender is told that it is late. */
  readonly expire: number;
  readonly warnAfter: number;
  /** For one run over a customer's mail. */
  open(customer: string): Delivery;
}

export interface OutboundSettings extends Pick<Outbound, "expire" | "warnAfter"> {
  /** Each customer's keys, by domain. */
  keysOf(customer: string): ReadonlyMap<string, DkimKey>;
}

/** Everything goes to one host, which sees to the rest. */
export function bySmarthost(
  login: Login,
  settings: OutboundSettings,
  tools: SmarthostTools & { readonly limits: Limits },
): Outbound {
  const hop = smarthostHop(login, tools);
  return outbound(settings, () => lines(hop, tools.limits));
}

export function byExchange(settings: OutboundSettings, tools: ExchangeTools): Outbound {
  return outbound(settings, () => exchanges(tools));
}

function outbound({ expire, warnAfter, keysOf }: OutboundSettings, open: () => Delivery): Outbound {
  return { expire, warnAfter, open: (customer) => signed(open(), keysOf(customer)) };
}
