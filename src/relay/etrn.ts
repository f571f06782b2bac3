/** ETRN: a customer with a host of its own asks for its mail, and we deliver it on a connection that we make (RFC 1985). */
// Only after AUTH, only what is the customer's own, and only to the host that the operator wrote down: nobody can send us elsewhere.
import { lineDelivery } from "../delivery/line.ts";
import { dial } from "../net/dial.ts";
import type { Claim } from "../spool/spool.ts";
import { type Reply, reply } from "../wire/reply.ts";
import { afterRefusal } from "./backoff.ts";
import { CallError } from "./callerror.ts";
import { type Customer, type EtrnHost, laneOf } from "./customers.ts";
import { logIn } from "./login.ts";
import { canTell } from "./notices.ts";
import { LEASE, pump } from "./pump.ts";
import type { Relay } from "./relay.ts";

const answers = {
  empty: reply(251, "2.0.0", "OK, no messages waiting"),
  busy: reply(252, "2.0.0", "OK, pending messages are being delivered already"),
  started: (count: number) => reply(253, "2.0.0", `OK, ${count} pending messages started`),
  unable: reply(458, "4.3.0", "Unable to queue messages now"),
  notYours: reply(459, "4.7.1", "Node not allowed"),
  syntax: reply(501, "5.5.4", "Syntax: ETRN example.org, ETRN @example.org or ETRN #name"),
} as const;

const WINDOW = 100;
/** Milliseconds to reach the host. */
const REACH = 60_000;

/** What ETRN is answered, and the delivery that it began; its trouble is logged, not thrown. */
export interface Started {
  readonly reply: Reply;
  readonly delivery?: Promise<void>;
}

export async function startDelivery(relay: Relay, user: string, node: string): Promise<Started> {
  const customer = relay.book.customers.named(user);
  if (customer?.etrn === undefined) return { reply: answers.notYours };
  const domains = domainsOf(customer, node);
  if (domains === "notYours" || domains === "syntax") return { reply: answers[domains] };
  const lane = laneOf(customer);
  try {
    const holder = `etrn/${user}/${Math.floor(relay.random.fraction() * 1e9)}`;
    const which = domains === "all" ? {} : { domains };
    const claim = await relay.spool.claim({ lane, ...which, order: customer.order, lease: LEASE }, holder);
    if (claim === "empty" || claim === "busy") return { reply: answers[claim] };
    const { count } = relay.spool.usage(lane);
    return {
      reply: answers.started(count),
      delivery: deliver(relay, { customer, host: customer.etrn, claim }),
    };
  } catch (fault) {
    relay.log.log("error", "delivery impossible", { user, why: why(fault) });
    return { reply: answers.unable };
  }
}

type Asked = readonly string[] | "all" | "notYours" | "syntax";

/**
 * `example.org`: it alone; `@example.org`: those below it too; `#name`: the queue of this customer, all of it, and what was
 * moved into it by an operator (RFC 1985 §5.1, §5.2).
 */
function domainsOf({ name, domains }: Customer, node: string): Asked {
  if (!/^[@#]?[A-Za-z0-9._-]+$/.test(node)) return "syntax";
  const word = node.toLowerCase().replace(/^[@#]/, "");
  if (node[0] === "#") return word === name.toLowerCase() ? "all" : "notYours";
  const asked = domains.filter(
    (domain) => domain === word || (node[0] === "@" && domain.endsWith(`.${word}`)),
  );
  return asked.length === 0 ? "notYours" : asked;
}

interface Job {
  readonly customer: Customer;
  readonly host: EtrnHost;
  readonly claim: Claim;
}

async function deliver(relay: Relay, { customer, host, claim }: Job): Promise<void> {
  const { hostname, clock, random, log, stopping, book, reach = dial } = relay;
  try {
    const { pin, ...place } = host;
    const login = { ...place, hostname, ...(pin !== undefined && { pin }) };
    const talk = await logIn(login, {
      random,
      connect: (tls) =>
        reach({ host: host.host, port: host.port, clock, within: REACH, ...(tls && { tls }) }),
    });
    const delivery = lineDelivery(talk, { compatibility: customer.compatibility, spool: relay.spool.id });
    try {
      const tally = await pump(claim, delivery, {
        ...{ clock, log, stopping },
        backoff: afterRefusal(random),
        window: WINDOW,
        tells: (held) => canTell(held.envelope.from, customer.name, book),
      });
      log.log("info", "delivered after ETRN", { customer: customer.name, ...tally });
    } finally {
      await delivery.close();
    }
  } catch (fault) {
    if (!(fault instanceof CallError)) throw fault;
    log.log("warn", "delivery after ETRN failed", { customer: customer.name, why: fault.message });
  } finally {
    await claim.release();
  }
}

const why = (fault: unknown): string => (fault instanceof Error ? fault.message : String(fault));
