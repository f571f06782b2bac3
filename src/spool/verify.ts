/** The conservation check: every recipient ever accepted is in one state, and every body that must be there is intact. */
// A body may leave while it is looked at: before an alarm, its entry is asked for once more.
import { newSha256 } from "../platform/hash.ts";
import type { EmbeddedSpool } from "./front.ts";
import type { MessageId, RecipientState } from "./spool.ts";

export type Finding =
  | { readonly type: "missing" | "damaged"; readonly ids: readonly MessageId[] }
  /** Recipients accepted (less those pruned), and how many are in each state: these do not add up. */
  | {
      readonly type: "unbalanced";
      readonly accepted: number;
      readonly states: Readonly<Record<RecipientState, number>>;
    };

/** What is wrong; nothing, if all is well. Reads every body. */
export async function* verify(spool: EmbeddedSpool): AsyncGenerator<Finding> {
  const { accepted, states } = await spool.tally();
  const sum = Object.values(states).reduce((a, b) => a + b, 0);
  if (sum !== accepted) yield { type: "unbalanced", accepted, states };
  for await (const { ids, sha256, pieces } of spool.bodies()) {
    const found = await digest(pieces);
    if (found !== undefined && equal(found, sha256)) continue;
    const here: MessageId[] = [];
    for (const id of ids) if ((await spool.count({ ids: [id] })) > 0) here.push(id);
    if (here.length > 0) yield { type: found === undefined ? "missing" : "damaged", ids: here };
  }
}

/** undefined: the octets could not be read. */
async function digest(octets: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  const hash = newSha256();
  try {
    for await (const piece of octets) hash.update(piece);
  } catch {
    return undefined;
  }
  return hash.digest();
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
