/** The conservation check: every recipient ever accepted is in one state, and every body that must be there is intact. */
// A body may leave while it is looked at: before an alarm, its entry is asked for once more.
import { newSha256 } from "../platform/hash.ts";
import { type Finding, isDamage } from "./finding.ts";
import type { CheckedBody, EmbeddedSpool } from "./front.ts";
import { type MessageId, SpoolError } from "./spool.ts";

/** How far it is: octets of bodies that were read, of all. */
export type Watch = (octets: number, of: number) => void;

/** What is wrong; nothing, if all is well. Reads every body. */
export async function* verify(spool: EmbeddedSpool, watch: Watch = () => {}): AsyncGenerator<Finding> {
  for (const problem of await spool.inspect("integrity", {})) yield { type: "database", problem };
  let octets = 0;
  let total = 0;
  for await (const finding of counters(spool, (found) => {
    total = found;
  }))
    yield finding;
  yield* unreadable(spool);
  for await (const body of spool.bodies()) {
    if ("lost" in body) {
      const here = await stillHere(spool, body.lost);
      if (here.length > 0) yield { type: "missing", ids: here };
      continue;
    }
    const fault = await faultOf(body);
    octets += body.octets;
    watch(octets, total);
    if (fault === undefined) continue;
    const here = await stillHere(spool, body.ids);
    if (here.length > 0 || body.ids.length === 0) yield { type: fault, ids: here };
  }
  for (const file of (await readable(spool.strays())) ?? []) yield { type: "orphan", file };
}

/** What does not add up; of a damaged database what can still be counted. */
async function* counters(spool: EmbeddedSpool, tell: (octets: number) => void): AsyncGenerator<Finding> {
  const tally = await readable(spool.inspect("tally", {}));
  if (tally !== undefined) {
    const sum = Object.values(tally.states).reduce((a, b) => a + b, 0);
    if (sum !== tally.accepted) yield { type: "unbalanced", ...tally };
  }
  const audit = await readable(spool.inspect("audit", {}));
  if (audit === undefined) return;
  tell(audit.octets);
  for (const lane of audit.lanes) yield { type: "miscounted", ...lane };
  if (audit.entries.length > 0) yield { type: "inconsistent", ids: audit.entries };
  if (audit.bodiless.length > 0) yield { type: "missing", ids: audit.bodiless };
}

/** What was lost or may be. */
export async function* damage(spool: EmbeddedSpool): AsyncGenerator<Finding> {
  for await (const finding of verify(spool)) if (isDamage(finding)) yield finding;
}

const STRIDE = 5000;

async function* unreadable(spool: EmbeddedSpool): AsyncGenerator<Finding> {
  for (let after: number | undefined = 0; after !== undefined; ) {
    const { rows, ids, next }: { rows: number; ids: readonly MessageId[]; next: number | undefined } =
      await spool.inspect("unreadable", { after, limit: STRIDE });
    if (rows > 0) yield { type: "unreadable", entries: rows, ids };
    after = next;
  }
}

async function stillHere(spool: EmbeddedSpool, ids: readonly MessageId[]): Promise<readonly MessageId[]> {
  const here: MessageId[] = [];
  for (const id of ids) if ((await readable(spool.count({ ids: [id] }))) !== 0) here.push(id);
  return here;
}

/** undefined: it lies on damaged pages, which another finding tells of. */
async function readable<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof SpoolError && error.fault === "corrupt") return undefined;
    throw error;
  }
}

async function faultOf({ pieces, sha256, octets }: CheckedBody): Promise<"missing" | "damaged" | undefined> {
  const hash = newSha256();
  let read = 0;
  try {
    for await (const piece of pieces) {
      hash.update(piece);
      read += piece.length;
    }
  } catch (error) {
    // Where they lie cannot be asked just now: that says nothing of them.
    if (error instanceof SpoolError && error.fault !== "io") throw error;
    return "missing";
  }
  return read === octets && equal(hash.digest(), sha256) ? undefined : "damaged";
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
