/** A recording of a relay at work is cut at many places, and what a lossy disk leaves of it is opened and looked at. */
// At each cut the message of every 250 that had left must be there, octet for octet; whatever else is there must be whole.
import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import type { Random } from "../../src/platform/random.ts";
import { systemRandom } from "../../src/platform/random.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { verify } from "../../src/spool/verify.ts";
import { contentOf, entries } from "../support/post.ts";
import { eventually } from "../support/processes.ts";
import { inWorld, type Program, portOf, relayOf, type World } from "../support/program.ts";
import type { Problem } from "../torture/job.ts";
import { load, type Post } from "./killing.ts";
import { LossyDisk } from "./lossydisk.ts";
import { type Call, callsIn, OPTIONS } from "./recording.ts";

const TRACED =
  "openat,mkdir,mkdirat,unlink,unlinkat,rmdir,rename,renameat,renameat2,link,linkat,write,writev,pwrite64,pwritev,pwritev2," +
  "ftruncate,truncate,fallocate,copy_file_range,sendfile,fsync,fdatasync,sendto,sendmsg";

export interface Recording {
  readonly calls: readonly Call[];
  readonly root: string;
  /** What was sent, by sender. */
  readonly bodies: ReadonlyMap<string, string>;
}

/** Records a relay from its birth to its end, while so many sessions hand in so many messages each. */
export async function record(
  world: World,
  program: Program["words"],
  { sessions, each }: { sessions: number; each: number },
): Promise<Recording> {
  const file = world.at("recording");
  const post: Post = { taken: new Map(), unknown: new Map(), next: 0 };
  await inWorld(["strace", ...OPTIONS, "-e", `trace=${TRACED}`, "-o", file, ...program], async (traced) => {
    await relayOf(world);
    const serving = await traced.serve(world.at("relay.yaml"));
    const port = portOf(serving.doors.intake);
    await Promise.all(Array.from({ length: sessions }, () => load(port, post, each)));
    await serving.end("SIGTERM");
    const over = new RegExp(`^${serving.pid} +\\+\\+\\+ (exited|killed)`, "m");
    await eventually(
      async () => over.test((await readFile(file, "latin1")).slice(-2_000)),
      () => "the recording has no end",
    );
  });
  assert.equal(post.taken.size, sessions * each);
  const calls = [...callsIn(await readFile(file, "latin1"))].filter(concerns(world.folder));
  return { calls: calls.sort((a, b) => a.ended - b.ended), root: world.folder, bodies: post.taken };
}

/** The spool's folder and what is in it, with its own name; and what is said to peers. */
const concerns =
  (root: string) =>
  ({ name, path, strings }: Call): boolean => {
    const within = (at: string) => at === `${root}/relay` || at.startsWith(`${root}/relay/`);
    const named = path === "" && strings.some((each) => within(Buffer.from(each).toString("latin1")));
    return named || within(path) || (path === root && name === "fsync") || path.startsWith("socket:");
  };

export interface Cuts {
  readonly cuts: number;
  readonly random: Random;
  /** Where the disks are built. */
  readonly folder: string;
  /** Syncs that are left out, to see that they are missed. */
  readonly without?: (path: string) => boolean;
}

export interface Losses {
  readonly cuts: number;
  /** 250s that had left before a cut, summed over the cuts. */
  readonly promised: number;
  readonly kept: number;
  readonly problems: readonly Problem[];
}

/** Cuts the power so many times: right behind a 250 that left, or at any other moment. */
export async function cutPower(
  recording: Recording,
  { cuts, random, folder, without }: Cuts,
): Promise<Losses> {
  const { calls, root } = recording;
  const promises = promisesIn(calls);
  const moments = Array.from({ length: cuts }, (_, i) => {
    const among = i % 3 === 1 ? calls : promises;
    return among[Math.floor(random.fraction() * among.length)]!.began;
  }).sort((a, b) => a - b);
  const disk = new LossyDisk({ root, ...(without && { without }) });
  const problems: Problem[] = [];
  let promised = 0;
  let kept = 0;
  let next = 0;
  for (const moment of moments) {
    for (; next < calls.length && calls[next]!.ended < moment; next++) disk.take(calls[next]!);
    const said = promises.filter(({ began }) => began <= moment).map(({ id }) => id);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    disk.leave(folder, random);
    const found = await examine(join(folder, "relay/spool.db"), said, recording.bodies);
    promised += said.length;
    kept += found.kept;
    for (const { type, what } of found.problems) problems.push({ type, what: `cut at ${moment}: ${what}` });
  }
  rmSync(folder, { recursive: true, force: true });
  return { cuts, promised, kept, problems };
}

interface Promised {
  readonly id: string;
  readonly began: number;
}

function promisesIn(calls: readonly Call[]): readonly Promised[] {
  return calls
    .filter(({ name }) => /^(send|write)/.test(name))
    .flatMap(({ strings, path, began }) =>
      path.includes("socket:")
        ? [
            ...Buffer.concat(strings)
              .toString("latin1")
              .matchAll(/Stored as ([0-9a-f-]{36})/g),
          ].map(([, id]) => ({ id: id!, began }))
        : [],
    );
}

async function examine(
  path: string,
  promised: readonly string[],
  bodies: ReadonlyMap<string, string>,
): Promise<Pick<Losses, "kept" | "problems">> {
  const problems: Problem[] = [];
  const wrong = (type: Problem["type"], what: string) => void problems.push({ type, what });
  let spool: EmbeddedSpool | undefined;
  try {
    const tools = { clock: systemClock, random: systemRandom, log: silent, files: systemFiles };
    spool = await openSpool({ path, ...tools, thread: "here" });
    // A body that nobody was promised is tidied up when it is old enough.
    for await (const finding of verify(spool))
      if (finding.type !== "orphan") wrong("wrong", JSON.stringify(finding));
    const found = new Map((await entries(spool)).map(({ id, sender }) => [id as string, sender]));
    for (const id of promised) if (!found.has(id)) wrong("lost", id);
    for (const [id, sender] of found) {
      const content = await contentOf(spool, id);
      if (content.replace(/^Received:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*/, "") !== bodies.get(sender))
        wrong("changed", `${id} from ${sender}`);
    }
    return { kept: found.size, problems };
  } catch (error) {
    for (const id of promised) wrong("lost", `${id}: the spool does not open: ${error}`);
    if (promised.length === 0) wrong("wrong", `the spool does not open: ${error}`);
    return { kept: 0, problems };
  } finally {
    await spool?.close();
  }
}
