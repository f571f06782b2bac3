/** Mail that a rule at home sends to somebody outside: it becomes outgoing mail, in the name of whose mail it was. */
// Once: the spool's ledger knows what was sent on, should we die between that and its settlement. The sender is the recipient
// who sends it on: the relay lets nobody else send from here, and who owns the rule hears when it leads nowhere.
import type { Parcel } from "../delivery/delivery.ts";
import { sameForAll } from "../delivery/delivery.ts";
import type { Abroad } from "../delivery/sorted.ts";
import { fieldsOf } from "../mail/fields.ts";
import { deliveredTo, received } from "../mail/trace.ts";
import type { Clock } from "../platform/clock.ts";
import { type Acceptance, type Spool, SpoolError } from "../spool/spool.ts";
import { type Address, isAscii, matchesGlob } from "../wire/address.ts";
import { reply } from "../wire/reply.ts";
import { type Home, outside, ownerOf } from "./home.ts";

export interface RedirectTools {
  readonly home: Home;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly hostname: string;
}

const answers = {
  circle: reply(554, "5.4.6", "This message was here before: its redirection goes in a circle"),
  noWay: reply(451, "4.3.5", "No mail leaves from here: pull.outgoing is not configured"),
  done: reply(250, "2.0.0", "Sent on"),
  trouble: reply(451, "4.3.0", "Cannot be sent on now"),
} as const;

export function abroad(tools: RedirectTools): Abroad {
  return {
    isOurs: (address) => ownerOf(address, tools.home.accounts) !== undefined,
    async send(parcel, was) {
      const fields = await fieldsOf(parcel.content(), ["delivered-to"]);
      if (fields.get("delivered-to")?.some((to) => isSame(to, was)))
        return sameForAll(parcel, "refused", answers.circle);
      const acceptance = acceptanceOf(parcel, was, tools);
      if (acceptance === undefined) return sameForAll(parcel, "deferred", answers.noWay);
      const sent = await store(parcel, acceptance, tools.spool);
      return sent
        ? sameForAll(parcel, "delivered", answers.done)
        : sameForAll(parcel, "deferred", answers.trouble);
    },
  };
}

/** Addresses differ in no more than case where they are the same. */
const isSame = (a: string, b: Address): boolean => a.toLowerCase() === b.toLowerCase() && matchesGlob(a, b);

function acceptanceOf(
  { id, envelope }: Parcel,
  was: Address,
  { home, spool, clock, hostname }: RedirectTools,
): Acceptance | undefined {
  if (home.outgoing === undefined) return undefined;
  const { lane, hold } = outside(home.outgoing);
  const now = clock.now();
  const from = envelope.from === "" ? "" : was;
  const { recipients } = envelope;
  const smtputf8 = envelope.smtputf8 || ![from, ...recipients.map(({ address }) => address)].every(isAscii);
  return {
    envelope: { from, smtputf8, ...(envelope.body && { body: envelope.body }) },
    postings: [
      { lane, recipients: recipients.map(({ address }) => ({ address, notify: [] })), expires: now + hold },
    ],
    source: { protocol: "redirect", peer: hostname },
    arrived: now,
    trace: (newId) => deliveredTo(was) + received({ by: hostname, protocol: "redirect", id: newId, at: now }),
    origin: { spool: spool.id, message: id },
  };
}

/** @returns whether it is safe in the spool, by now or since an earlier try */
async function store(parcel: Parcel, acceptance: Acceptance, spool: Spool): Promise<boolean> {
  const draft = spool.begin(acceptance);
  try {
    for await (const piece of parcel.content()) await draft.write(piece);
    const { type } = await draft.commit({});
    return type === "stored" || type === "had";
  } catch (fault) {
    await draft.discard();
    if (fault instanceof SpoolError) return false;
    throw fault;
  }
}
