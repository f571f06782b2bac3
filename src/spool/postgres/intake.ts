/** Taking in: a group of acceptances becomes bodies and entries, through the ledger where they have an origin. */
// What two nodes must not both take in has a unique key; who finds that another was faster does it all again, seeing that.
import type { Recipient } from "../../mail/envelope.ts";
import type { Address } from "../../wire/address.ts";
import { type Rule, ruleFor } from "../rules.ts";
import type { Committed } from "../spool.ts";
import { code } from "../states.ts";
import type { Acceptation, PostedEntry } from "../store.ts";
import { fresh, noteLikeness } from "./doubles.ts";
import { enter, unheard } from "./ledger.ts";
import { pay } from "./notices.ts";
import { allThere } from "./pieces.ts";
import { base64, clean, Octets, rows } from "./rows.ts";
import { rulesOf } from "./rules.ts";
import { allYoung } from "./sweep.ts";
import type { Transaction } from "./transaction.ts";
import type { Mark, Work } from "./work.ts";

/** What is to be stored of an acceptance, after all that others have of it is left out. */
interface Stowed {
  readonly input: Acceptation;
  readonly postings: readonly PostedEntry[];
  readonly doubled: readonly Address[];
}

/** Acceptances that could be of the same mail go one after the other; others together. */
export async function accept(
  db: Transaction,
  inputs: readonly Acceptation[],
  work: Work,
): Promise<readonly Committed[]> {
  const answers = new Map<Acceptation, Committed>();
  let waiting = inputs;
  while (waiting.length > 0) {
    const { now, later } = apart(waiting);
    for (const [input, committed] of await together(db, now, work)) answers.set(input, committed);
    waiting = later;
  }
  return inputs.map((input) => answers.get(input) ?? { type: "had" });
}

async function together(
  db: Transaction,
  inputs: readonly Acceptation[],
  work: Work,
): Promise<ReadonlyMap<Acceptation, Committed>> {
  const answers = new Map<Acceptation, Committed>();
  const heard = await unheard(db, inputs);
  const stowed: Stowed[] = [];
  for (const input of inputs) {
    const left = heard.get(input) ?? input.postings;
    if (left === "conflict") answers.set(input, { type: "conflict" });
    else if (left.length === 0) answers.set(input, { type: "had" });
    else {
      const { postings, doubled } = await fresh(db, input, left, work);
      if (postings.length === 0) answers.set(input, { type: "had", doubled });
      else if (input.pays !== undefined && !(await pay(db, input.pays))) answers.set(input, { type: "had" });
      else stowed.push({ input, postings, doubled });
    }
  }
  const large = stowed.flatMap(({ input: { content, octets } }) =>
    "file" in content ? [{ name: content.file, octets }] : [],
  );
  await Promise.all([
    allThere(db, large),
    allYoung(
      db,
      large.map(({ name }) => name),
    ),
    enter(db, heard),
    stow(db, stowed, work),
  ]);
  for (const { input, postings, doubled } of stowed)
    answers.set(input, {
      type: "stored",
      ids: postings.map(({ id }) => id),
      ...(doubled.length > 0 && { doubled }),
    });
  return answers;
}

/** Those that have nothing in common with one before them, and the rest. */
function apart(inputs: readonly Acceptation[]) {
  const seen = new Set<string>();
  const now: Acceptation[] = [];
  const later: Acceptation[] = [];
  for (const input of inputs) {
    const { origin, likeness, pays } = input;
    const keys = [
      ...(origin === undefined ? [] : [`o ${origin.spool} ${origin.message}`]),
      ...(likeness === undefined ? [] : [`l ${base64(likeness)}`]),
      ...(pays === undefined ? [] : ["p"]),
    ];
    const free = later.length === 0 || keys.length === 0 ? keys.every((key) => !seen.has(key)) : false;
    for (const key of keys) seen.add(key);
    (free ? now : later).push(input);
  }
  return { now, later };
}

async function stow(db: Transaction, stowed: readonly Stowed[], work: Work): Promise<void> {
  if (stowed.length === 0) return;
  const rules = await rulesOf(db);
  const numbers = await db.numbers(stowed.reduce((sum, { postings }) => sum + 1 + postings.length, 0));
  let used = 0;
  const next = (): number => numbers[used++] ?? 0;
  const bodies: object[] = [];
  const octets = new Octets();
  const messages: object[] = [];
  const recipients: object[] = [];
  const likenesses: Parameters<typeof noteLikeness>[1] = [];
  for (const { input, postings } of stowed) {
    const body = next();
    bodies.push({ seq: body, uses: postings.length, ...bodyColumns(input, octets) });
    for (const posting of postings) {
      const seq = next();
      const lane = db.laneOf(posting.lane) ?? 0;
      messages.push({ seq, lane, body, ...messageColumns(input, posting) });
      const { source, now, actor } = input;
      const mark: Mark = { at: now, actor, reason: `${source.protocol} from ${source.peer}` };
      work.note(seq, null, "accepted", mark);
      posting.recipients.forEach((recipient, n) => {
        const rule = held(rules, input, posting, recipient.address);
        recipients.push({ message: seq, n, lane, ...recipientColumns(recipient, rule ? null : now) });
        if (rule) work.note(seq, recipient.address, "held", { at: now, actor: rule.actor, reason: rule.why });
      });
      if (input.likeness !== undefined) likenesses.push({ input, seq, posting });
      work.add(lane, 1, posting.size, posting.recipients.length);
    }
  }
  await Promise.all([
    db.all(insertBodies, rows(bodies), octets.all),
    db.all(insertMessages, rows(messages)),
    db.all(insertRecipients, rows(recipients)),
    noteLikeness(db, likenesses),
  ]);
}

const held = (rules: readonly Rule[], { mail }: Acceptation, posting: PostedEntry, to: Address) =>
  ruleFor(rules, mail.from, posting, to);

/** @param small where the octets go that lie in the row */
export function bodyColumns(
  { octets, sha256, content }: Pick<Acceptation, "octets" | "sha256" | "content">,
  small: Octets,
) {
  return {
    ...{ octets, sha256: base64(sha256) },
    ...("file" in content ? { name: content.file } : small.add(content.bytes)),
  };
}

function messageColumns({ mail, source, arrived, subject }: Acceptation, posting: PostedEntry) {
  const { id, size, expires, trace, recipients } = posting;
  return {
    ...{
      id,
      here: recipients.length,
      size,
      arrived,
      expires,
      sender: mail.from,
      subject: clean(subject),
      trace,
    },
    ...{ protocol: source.protocol, peer: source.peer, auth: source.auth ?? null },
    ...{ mime: mail.body, smtputf8: mail.smtputf8, ret: mail.ret, envid: mail.envid },
  };
}

/** @param due null: it is held */
function recipientColumns({ address, notify, orcpt }: Recipient, due: number | null) {
  return {
    ...{
      state: due === null ? code.held : code.waiting,
      due,
      attempts: 0,
      address,
      domain: domainOf(address),
    },
    ...{ notify: notify.join(","), orcpt: orcpt ?? null },
  };
}

/** What is behind the "@"; all of what has none. */
export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1 || address.length);
}

export const insertBodies = `INSERT INTO body (seq, uses, octets, sha256, name, bytes)
  SELECT seq, uses, octets, decode(sha256, 'base64'), name,
    CASE WHEN at IS NOT NULL THEN substring($2::bytea FROM at + 1 FOR length) END
  FROM json_to_recordset($1::text::json)
    AS x(seq bigint, uses int, octets bigint, sha256 text, name text, at int, length int)`;

export const insertMessages = `INSERT INTO message (seq, id, lane, body, here, gone, size, arrived, expires, sender,
    subject, protocol, peer, auth, mime, smtputf8, ret, envid, trace)
  SELECT seq, id, lane, body, here, gone, size, arrived, expires, sender,
    subject, protocol, peer, auth, mime, smtputf8, ret, envid, trace
  FROM json_to_recordset($1::text::json) AS x(seq bigint, id uuid, lane int, body bigint, here int, gone bigint,
    size bigint, arrived bigint, expires bigint, sender text, subject text, protocol text, peer text, auth text,
    mime text, smtputf8 boolean, ret text, envid text, trace text)`;

export const insertRecipients = `INSERT INTO recipient (message, n, lane, state, due, attempts, address, domain,
    notify, orcpt, reply, done)
  SELECT message, n, lane, state, due, attempts, address, domain, notify, orcpt, reply, done
  FROM json_to_recordset($1::text::json) AS x(message bigint, n int, lane int, state int, due bigint, attempts int,
    address text, domain text, notify text, orcpt text, reply text, done text)`;
