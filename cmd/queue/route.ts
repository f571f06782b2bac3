/** Where a message goes that did not come by SMTP: its recipients say it. */
// A customer's domain waits for that customer's call; what an account takes at home waits for its target. Out of a relay it
// goes as its customers' mail does, in the name of one of them: whoever runs the relay has the keys of all.
import type { Config } from "../../src/config/config.ts";
import type { Instant } from "../../src/platform/clock.ts";
import { outside } from "../../src/relay/home.ts";
import { postingsOf } from "../../src/spool/postings.ts";
import type { Lane, Posting } from "../../src/spool/spool.ts";
import { type Address, domainOf, matchesGlob } from "../../src/wire/address.ts";
import { Exit, status, UsageError } from "../exit.ts";

interface Way {
  readonly lane: Lane;
  /** How long it is held, in milliseconds. */
  readonly hold: number;
}

/** Where nothing else is configured: as long as RFC 5321 §4.5.4.1 asks for many times over. */
const HOLD = 30 * 86_400_000;

export interface Addressed {
  readonly from: Address;
  readonly to: readonly Address[];
  readonly arrived: Instant;
  readonly config: Config | undefined;
  /** All of it waits for this customer's call. */
  readonly customer?: string | undefined;
}

/**
 * One posting for each way that the recipients go.
 * @throws UsageError for a customer that is not configured, Exit(65) for a recipient that has no way to go
 */
export function postingsFor({
  from,
  to: recipients,
  arrived,
  config,
  customer,
}: Addressed): readonly Posting[] {
  const wayOf =
    customer === undefined ? (to: Address) => wayTo(to, from, config) : () => wayToCustomer(customer, config);
  const addressees = [...new Set(recipients)].map((address) => ({
    ...wayOf(address),
    recipient: { address, notify: [] },
  }));
  return postingsOf(addressees, arrived);
}

function wayTo(to: Address, from: Address, config: Config | undefined): Way {
  const domain = domainOf(to);
  const customer = config?.serve?.customers.find(({ domains }) => domains.includes(domain));
  if (customer !== undefined)
    return { lane: { direction: "turn", customer: customer.name }, hold: customer.hold };
  const account = config?.pull?.accounts.find(
    ({ domains, deliver }) => domains.includes(domain) && deliver.some(({ match }) => matchesGlob(match, to)),
  );
  if (account !== undefined) return { lane: { direction: "local", customer: account.name }, hold: HOLD };
  if (config?.serve?.outbound !== undefined) return outOfRelay(to, from, config.serve);
  const outgoing = config?.pull?.outgoing;
  const ours = config?.pull?.accounts.some(({ domains }) => domains.includes(domain));
  if (outgoing !== undefined && ours !== true) return outside(outgoing);
  const advice = config === undefined ? "; name a configuration (--config) or a customer (--customer)" : "";
  throw new Exit(
    status.dataError,
    `no way to ${JSON.stringify(to)}: it is of no customer and no account${advice}`,
  );
}

type Serve = NonNullable<Config["serve"]>;

/** As at submission: in the name of a customer, whose keys sign it and whose lane it takes. */
function outOfRelay(to: Address, from: Address, { customers, outbound }: Serve): Way {
  const owner =
    customers.find(({ domains }) => domains.includes(domainOf(from))) ??
    customers.find(({ senders }) => senders !== "any" && senders.some((glob) => matchesGlob(glob, from)));
  if (owner !== undefined && outbound !== undefined)
    return { lane: { direction: "outgoing", customer: owner.name }, hold: outbound.expire };
  throw new Exit(
    status.dataError,
    `no way to ${JSON.stringify(to)}: it leaves in the name of a customer, and no customer sends as ${JSON.stringify(from)}`,
  );
}

function wayToCustomer(name: string, config: Config | undefined): Way {
  const customer = config?.serve?.customers.find((each) => each.name === name);
  if (config !== undefined && customer === undefined)
    throw new UsageError(`there is no customer ${JSON.stringify(name)} in ${config.file}`);
  return { lane: { direction: "turn", customer: name }, hold: customer?.hold ?? HOLD };
}
