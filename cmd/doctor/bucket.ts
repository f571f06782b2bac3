/** The check of the bucket that a shared spool's large bodies go to: an object is put there, read and removed. */
// The one it makes is its own, and gone when it has looked; what is refused there would be refused to a message.
import type { Clock } from "../../src/platform/clock.ts";
import type { Random } from "../../src/platform/random.ts";
import { Bucket } from "../../src/spool/objects/bucket.ts";
import { type Credentials, credentialsOf } from "../../src/spool/objects/credentials.ts";
import type { ObjectPlace } from "../../src/spool/objects/place.ts";
import { isPostgres, parsePostgres } from "../../src/spool/postgres/address.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import { status, statusOf } from "../exit.ts";
import { ageText } from "../table.ts";
import { type Check, fail, ok, row, type Verdict, warn } from "./check.ts";

export const bucketChecks: readonly Check[] = [
  row({
    check: "spool-bucket",
    group: "spool",
    exit: status.ioError,
    // A name that says no bucket, or nothing that can be read, is for the check of the spool.
    subjects: ({ config: { spool } }) => {
      const address = isPostgres(spool) ? parsePostgres(spool) : undefined;
      return address?.bodies === undefined ? [] : [{ place: address.bodies, file: address.credentials }];
    },
    name: ({ place: { bucket, prefix, endpoint } }) =>
      `s3://${bucket}/${prefix} at ${new URL(endpoint).host}`,
    look: ({ place, file }, { clock, random }) =>
      bucketVerdict(place, { clock, random, credentials: () => credentialsOf(file) }),
  }),
];

export interface BucketTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly credentials: () => Promise<Credentials>;
}

const PROBE = new TextEncoder().encode("odmr doctor was here\r\n");

export async function bucketVerdict(place: ObjectPlace, tools: BucketTools): Promise<Verdict> {
  const { clock, random, credentials } = tools;
  let ahead = 0;
  const timed = async (...asked: Parameters<typeof fetch>): Promise<Response> => {
    const answer = await fetch(...asked);
    const date = Date.parse(answer.headers.get("date") ?? "");
    if (!Number.isNaN(date)) ahead = clock.now() - date;
    return answer;
  };
  const bucket = new Bucket({ place, clock, credentials, fetch: timed as typeof fetch });
  const key = `${place.prefix}doctor-${Buffer.from(random.bytes(8)).toString("hex")}`;
  const acts: readonly (readonly [what: string, right: string, act: () => Promise<unknown>])[] = [
    ["written", "s3:PutObject", () => bucket.put(key, PROBE)],
    ["read", "s3:GetObject", async () => same(await bucket.range(key, 0, PROBE.length - 1))],
    ["removed", "s3:DeleteObject", () => bucket.remove(key)],
  ];
  let left = false;
  for (const [what, right, act] of acts)
    try {
      await act();
      left = what !== "removed";
    } catch (error) {
      if (left) await bucket.remove(key).catch(() => undefined);
      return refused(error, { what, right, place, ahead });
    }
  return Math.abs(ahead) > MINUTE
    ? warn(`an object was written, read and removed; ${skew(ahead)}`, SET_CLOCK)
    : ok("an object was written, read and removed");
}

function same({ bytes }: { readonly bytes: Uint8Array }): void {
  if (Buffer.compare(bytes, PROBE) !== 0) throw new SpoolError("io", "what was read is not what was written");
}

/** Stores let a clock be wrong by a quarter of an hour, and refuse everything then. */
const SKEW = 15 * 60_000;
const MINUTE = 60_000;
const SET_CLOCK = "let systemd-timesyncd or chrony set the clock";

const skew = (ahead: number): string =>
  `this clock is ${ageText(Math.abs(ahead))} ${ahead < 0 ? "behind" : "before"} the store's`;

interface Refused {
  readonly what: string;
  readonly right: string;
  readonly place: ObjectPlace;
  readonly ahead: number;
}

function refused(error: unknown, { what, right, place, ahead }: Refused): Verdict {
  const said = error instanceof Error ? error.message : String(error);
  const exit = error instanceof SpoolError ? statusOf(error) : status.ioError;
  const detail = `no object can be ${what}: ${said}`;
  if (Math.abs(ahead) >= SKEW) return { ...fail(`${detail}; ${skew(ahead)}`, SET_CLOCK), exit };
  return { ...fail(detail, mendOf(error, right, place)), exit };
}

function mendOf(error: unknown, right: string, { bucket, endpoint }: ObjectPlace): string {
  const rights = `let its keys do ${right} on ${bucket}, and see that they are the right ones (credentials= in spool:)`;
  if (!(error instanceof SpoolError)) return rights;
  if (/no such bucket/.test(error.message)) return `make the bucket ${bucket}, or name another in spool:`;
  if (error.fault === "denied") return rights;
  if (error.fault === "full") return "make room in the store, or raise its quota";
  return `see that the store at ${endpoint} runs, and that nothing is between`;
}
