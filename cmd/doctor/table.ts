/** All checks, in the order in which they are told. */
import { bucketChecks } from "./bucket.ts";
import { certificateChecks } from "./certificate.ts";
import { type Check, type Group, groups } from "./check.ts";
import { clockChecks } from "./clock.ts";
import { fileChecks } from "./files.ts";
import { listenerChecks } from "./listeners.ts";
import { nameChecks } from "./names.ts";
import { peerChecks } from "./peers.ts";
import { senderChecks } from "./sender.ts";
import { spoolChecks } from "./spool.ts";
import { targetChecks } from "./targets.ts";
import { transportChecks } from "./transport.ts";
import { turnChecks } from "./turns.ts";

export const checks: readonly Check[] = [
  ...fileChecks,
  ...spoolChecks,
  ...bucketChecks,
  ...certificateChecks,
  ...nameChecks,
  ...senderChecks,
  ...transportChecks,
  ...listenerChecks,
  ...turnChecks,
  ...peerChecks,
  ...targetChecks,
  ...clockChecks,
];

/** Those of these groups, whole groups in their order; none named: all. */
export function checksOf(only: readonly Group[]): readonly Check[] {
  const wanted = groups.filter((group) => only.length === 0 || only.includes(group));
  return wanted.flatMap((wantedGroup) => checks.filter(({ group }) => group === wantedGroup));
}
