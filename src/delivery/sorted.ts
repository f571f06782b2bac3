/** A delivery made of others: each recipient goes the way of the first rule that fits it and the message. */
// A message whose recipients go different ways is carried to each; every way answers for its own recipients only.
import { fieldsOf } from "../mail/fields.ts";
import { type Address, matchesGlob } from "../wire/address.ts";
import { type Reply, reply } from "../wire/reply.ts";
import { type Delivery, type Outcome, type Parcel, partOf, sameForAll } from "./delivery.ts";

/** All that is given must fit. */
export interface Conditions {
  /** A glob over the whole recipient, and one over the sender; the null sender is "". */
  readonly match: string;
  readonly from?: string | undefined;
  /** Octets. */
  readonly largerThan?: number | undefined;
  readonly smallerThan?: number | undefined;
  /** A glob over the decoded text of a field; any of that name may fit. */
  readonly header?: { readonly name: string; readonly matches: string } | undefined;
}

export type Rule = Conditions & ({ readonly delivery: Delivery } | { readonly redirect: Address });

/** Where redirected mail goes that is not for this house. */
export interface Abroad {
  isOurs(address: Address): boolean;
  /** @param parcel for one recipient @param was whose mail it was */
  send(parcel: Parcel, was: Address): Promise<readonly Outcome[]>;
}

/** Redirections of one recipient, one after another; more are a circle. */
const REDIRECTIONS = 8;

const noWay = reply(451, "4.3.5", "No rule of deliver takes this recipient");
const circle = reply(554, "5.4.6", "The rules of deliver send this recipient in a circle");

/** What of a message the rules look at. */
interface Look {
  readonly parcel: Parcel;
  readonly fields: ReadonlyMap<string, readonly string[]>;
}

/** Where a recipient goes; under another address, if it was redirected. */
interface Way {
  readonly to: Address;
  readonly by: Delivery | Abroad | Reply;
}

export function sorted(rules: readonly Rule[], abroad?: Abroad): Delivery {
  const looked = [...new Set(rules.flatMap(({ header }) => header?.name.toLowerCase() ?? []))];
  const deliveries = new Set(rules.flatMap((rule) => ("delivery" in rule ? [rule.delivery] : [])));

  const wayOf = (to: Address, look: Look, redirections = 0): Way => {
    const rule = rules.find((each) => fits(each, to, look));
    if (rule === undefined) return { to, by: noWay };
    if ("delivery" in rule) return { to, by: rule.delivery };
    if (redirections === REDIRECTIONS) return { to, by: circle };
    if (abroad !== undefined && !abroad.isOurs(rule.redirect)) return { to: rule.redirect, by: abroad };
    return wayOf(rule.redirect, look, redirections + 1);
  };

  return {
    async deliver(parcel) {
      const look = { parcel, fields: await fieldsOf(looked.length > 0 ? parcel.content() : [], looked) };
      const { recipients } = parcel.envelope;
      const ways = recipients.map(({ address }) => wayOf(address, look));
      // Those who go one way under their own names go together.
      const together = Map.groupBy(recipients.keys(), (i) => {
        const { to, by } = ways[i]!;
        return to === recipients[i]!.address ? by : i;
      });
      const told = [...together.values()].map(([first = 0, ...others]) => {
        const { to, by } = ways[first]!;
        const all = [first, ...others].map((i) => recipients[i]!);
        const was = all[0]!.address;
        return to === was ? carry(by, partOf(parcel, all), was) : redirected(by, parcel, { was, to });
      });
      const outcomeOf = new Map((await Promise.all(told)).flat().map((outcome) => [outcome.to, outcome]));
      return recipients.map(({ address }) => outcomeOf.get(address)!);
    },
    async close() {
      await Promise.all([...deliveries].map((delivery) => delivery.close()));
    },
  };
}

function fits(rule: Conditions, to: Address, { parcel, fields }: Look): boolean {
  const { match, from, largerThan = -1, smallerThan = Number.POSITIVE_INFINITY, header } = rule;
  return (
    matchesGlob(match, to) &&
    (from === undefined || matchesGlob(from, parcel.envelope.from)) &&
    parcel.size > largerThan &&
    parcel.size < smallerThan &&
    (header === undefined ||
      (fields.get(header.name.toLowerCase()) ?? []).some((text) => matchesGlob(header.matches, text)))
  );
}

function carry(by: Way["by"], parcel: Parcel, was: Address): Promise<readonly Outcome[]> {
  if ("deliver" in by) return by.deliver(parcel);
  if ("send" in by) return by.send(parcel, was);
  return Promise.resolve(sameForAll(parcel, by.code < 500 ? "deferred" : "refused", by));
}

/** Carried under the new address, answered under the old one. */
async function redirected(
  by: Way["by"],
  parcel: Parcel,
  { was, to }: { readonly was: Address; readonly to: Address },
): Promise<readonly Outcome[]> {
  const recipients = parcel.envelope.recipients
    .filter(({ address }) => address === was)
    .map((recipient) => ({ ...recipient, address: to, orcpt: recipient.orcpt ?? `rfc822;${was}` }));
  const done = new Map([[to, parcel.done?.get(was) ?? []]]);
  const outcomes = await carry(by, { ...partOf(parcel, recipients), done }, was);
  return outcomes.map((outcome) => ({ ...outcome, to: was }));
}
