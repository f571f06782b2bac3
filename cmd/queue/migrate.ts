/** `odmr queue migrate`: all that one spool keeps into another, with ids, states, due times and history. */
// The old spool is not changed: it is yours to remove when the new one is in use.
import { buildCommand } from "@stricli/core";
import { systemFiles } from "../../src/platform/files.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { migrate, rehearse } from "../../src/spool/migrate.ts";
import { isPostgres } from "../../src/spool/postgres/address.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import { damage } from "../../src/spool/verify.ts";
import { Exit, status, UsageError } from "../exit.ts";
import { type CommonFlags, type Context, commonFlags, helpText, switchFlag } from "../flags.ts";
import { workProgress } from "../progress.ts";
import { openAt, queueFlags, withSpool } from "./open.ts";
import { written } from "./out.ts";

interface MigrateFlags extends CommonFlags {
  readonly from: string;
  readonly to: string;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly url?: string;
  readonly tokenFile?: string;
}

export const migrateCommand = buildCommand<MigrateFlags, [], Context>({
  async func({ url, tokenFile: _, ...flags }) {
    if (url !== undefined)
      throw new UsageError("spools are moved on the host where they are; run odmr queue migrate there");
    if (flags.from === flags.to) throw new UsageError("--from and --to are the same spool");
    for (const path of [flags.from, flags.to])
      if (/^\w+:\/\//.test(path) && !isPostgres(path))
        throw new UsageError(`${path} is no spool; give a path or postgres://user@host/database`);
    await withSpool({ ...flags, spool: flags.from }, async (from) => {
      if (flags.dryRun && !(await isThere(flags.to, flags)))
        return await tellRehearsal(this, flags, await rehearse(from.moving, undefined));
      // A new spool takes the old one's id over: a peer's ledger then knows what it had from the old one.
      const to = await openAt(flags.to, flags, { id: from.id });
      try {
        if (flags.dryRun) await tellRehearsal(this, flags, await rehearse(from.moving, to.moving));
        else await move(this, flags, { from, to });
      } finally {
        await to.close();
      }
    });
  },
  parameters: {
    flags: {
      ...commonFlags,
      from: {
        kind: "parsed",
        parse: (path) => path,
        placeholder: "PATH",
        brief: "The spool that mail moves out of",
      },
      to: {
        kind: "parsed",
        parse: (path) => path,
        placeholder: "PATH",
        brief: "The one that it moves into; made if it is not there",
      },
      dryRun: switchFlag("Say what would be moved, and do nothing"),
      json: switchFlag("One JSON object in the end"),
      url: { ...queueFlags.url, hidden: true },
      tokenFile: { ...queueFlags.tokenFile, hidden: true },
    },
  },
  docs: {
    brief: "Move all mail and its history from one spool to another",
    fullDescription: helpText(
      "Entries keep their ids, states, attempts, due times, arrival, expiry, trace fields and history; the ledger and the\n" +
        "hold rules go with them. The old spool is not changed. Mail may go on arriving there: all is gone through until\n" +
        "nothing is new. What leaves the old spool meanwhile leaves the new one too, at the next time; so end odmr there,\n" +
        "migrate once more, which takes a moment, and start it on the new spool. Begun again after a break, it goes on.\n" +
        "Every body's checksum is compared on the way, and in the end read back from the new spool.\n" +
        "Exit status: 0 all is moved, 65 some bodies were damaged and left out, 75 mail arrives too fast: begin again.",
      {
        "odmr queue migrate --from spool.db --to /mnt/new/spool.db": "to another disk",
        "odmr queue migrate --from spool.db --to new.db --dry-run": "how much that would be",
        "odmr queue migrate --from spool.db --to postgres://odmr@db.example.net/odmr":
          "to a database, for several relays",
      },
    ),
  },
});

async function isThere(path: string, flags: CommonFlags): Promise<boolean> {
  if (!isPostgres(path)) return (await systemFiles.stat(path)) !== undefined;
  try {
    await (await openAt(path, flags, { there: true })).close();
    return true;
  } catch (error) {
    if (error instanceof SpoolError && error.fault === "version") return false;
    throw error;
  }
}

interface Spools {
  readonly from: EmbeddedSpool;
  readonly to: EmbeddedSpool;
}

async function move({ process }: Context, flags: MigrateFlags, { from, to }: Spools): Promise<void> {
  const { stdout, stderr } = process;
  const progress = workProgress("migrate", "messages", stderr);
  const total = await from.count({});
  const done = await migrate(from.moving, to.moving, (found) => progress.update(found, total)).finally(
    progress.end,
  );
  for (const id of done.damaged)
    stderr.write(`odmr: the body of ${id} is damaged or gone; it was left out\n`);
  let wrong = 0;
  for await (const finding of damage(to)) {
    wrong++;
    stderr.write(`odmr: in the new spool: ${JSON.stringify(finding)}\n`);
  }
  const { entries, moved, left, passes, damaged } = done;
  const json = { entries, moved, left, passes, damaged: damaged.length, verified: wrong === 0 };
  const text = `${moved} of ${entries} entries moved, the rest was there before; ${wrong === 0 ? "all is verified" : "not all is well"}`;
  await written(stdout, `${flags.json ? JSON.stringify(json) : text}\n`);
  if (damaged.length > 0 || wrong > 0) process.exitCode = status.dataError;
  else if (done.unfinished)
    throw new Exit(status.tempFail, "mail arrives faster than it can be moved; begin again");
}

async function tellRehearsal(
  { process }: Context,
  flags: MigrateFlags,
  { entries, moving, octets }: { readonly entries: number; readonly moving: number; readonly octets: number },
): Promise<void> {
  const json = { entries, moved: moving, octets, dryRun: true };
  const text = `${moving} of ${entries} entries would be moved, with ${octets} octets of mail`;
  await written(process.stdout, `${flags.json ? JSON.stringify(json) : text}\n`);
}
