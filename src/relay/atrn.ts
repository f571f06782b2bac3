/** ATRN, decided: whose mail is asked for, may it be asked for, and is there any (RFC 2645 §5.2.1). */
// One domain that is not the customer's, and nothing at all moves; the reply does not tell whether anybody has it.

import { hex } from "../smtp/sasl/octets.ts";
import type { Claim } from "../spool/spool.ts";
import { type Reply, reply } from "../wire/reply.ts";
import { type Customer, laneOf } from "./customers.ts";
import { LEASE } from "./pump.ts";
import type { Relay } from "./relay.ts";

/** A turn that was granted: the claim is ours until it is released. */
export interface Turn {
  readonly customer: Customer;
  readonly claim: Claim;
  readonly holder: string;
}

export interface Decision {
  readonly reply: Reply;
  readonly turn?: Turn;
}

/** The same for somebody else's domain and for one that nobody has. */
export const notYours = reply(450, "4.7.1", "Request refused");

const answers = {
  cannotSay: reply(451, "4.3.0", "Unable to process ATRN request now"),
  empty: reply(453, "4.0.0", "You have no mail"),
  busy: reply(453, "4.0.0", "You have no mail that another session is not delivering"),
} as const;

export async function decideTurn(
  relay: Relay,
  user: string,
  domains: readonly string[],
  peer: string,
): Promise<Decision> {
  const customer = relay.book.customers.named(user);
  const own = new Set(customer?.domains);
  if (customer === undefined || !domains.every((domain) => own.has(domain))) return { reply: notYours };
  const holder = `turn/${hex(relay.random.bytes(8))}`;
  try {
    const claim = await relay.spool.claim(
      {
        lane: laneOf(customer),
        order: customer.order,
        lease: LEASE,
        ...(domains.length > 0 && { domains }),
      },
      holder,
    );
    if (claim === "empty" || claim === "busy") {
      await noteCall(relay, customer, peer);
      return { reply: answers[claim] };
    }
    const { count } = relay.spool.usage(laneOf(customer));
    return { reply: turning(count), turn: { customer, claim, holder } };
  } catch (fault) {
    relay.log.log("error", "turn impossible", {
      user,
      why: fault instanceof Error ? fault.message : String(fault),
    });
    return { reply: answers.cannotSay };
  }
}

/** That it called is worth to know, although nothing moves: a customer that does not call any more is in trouble. */
async function noteCall({ spool }: Relay, { name }: Customer, peer: string): Promise<void> {
  await spool.records.turn({ side: "provider", customer: name, peer }).end();
}

/** One line: fetchmail reads just one (RFC 2645 §5.2.1). The count is for the customer's progress bar. */
function turning(count: number): Reply {
  return reply(
    250,
    "2.0.0",
    `OK now reversing the connection, ${count} ${count === 1 ? "message" : "messages"}`,
  );
}
