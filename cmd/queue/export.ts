/** `odmr queue export`: messages out of the queue into files; the queue keeps them. */
import { buildCommand } from "@stricli/core";
import { type Kind, writerTo } from "../../src/mail/files.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { Exit, status } from "../exit.ts";
import { type Context, helpText, switchFlag } from "../flags.ts";
import { type FilterFlags, filterFlags, filterOf, idArguments } from "./filter.ts";
import { type SpoolFlags, spoolFlags, withSpool } from "./open.ts";
import { Lines } from "./out.ts";
import { time } from "./print.ts";

interface ExportFlags extends SpoolFlags, FilterFlags {
  readonly to: string;
  readonly format?: Exclude<Kind, "folder">;
  readonly json: boolean;
}

export const exportCommand = buildCommand<ExportFlags, string[], Context>({
  async func(flags, ...ids) {
    const filter = await filterOf(flags, ids, systemClock.now());
    const format = flags.format ?? (flags.to.endsWith(".mbox") ? "mbox" : "eml");
    const count = await withSpool(flags, async (spool) => {
      const lines = new Lines(this.process.stdout);
      let writer: Awaited<ReturnType<typeof writerTo>> | undefined;
      let count = 0;
      try {
        for await (const { id, sender, arrived, size } of spool.list(filter)) {
          const content = await spool.content(id);
          if (content === undefined) continue;
          writer ??= await writerTo(flags.to, format, systemFiles).catch(refuseTaken(flags.to));
          await writer.write({ id, sender, arrived, content });
          await lines.line(flags.json ? JSON.stringify({ id, size, arrived: time(arrived) }) : id);
          count++;
        }
      } finally {
        await writer?.close();
        await lines.end();
      }
      return count;
    });
    if (count === 0) this.process.exitCode = status.noMatch;
  },
  parameters: {
    flags: {
      ...spoolFlags,
      ...filterFlags,
      to: {
        kind: "parsed",
        parse: (path) => path,
        placeholder: "PATH",
        brief: "The folder, Maildir or mbox file to write",
      },
      format: {
        kind: "enum",
        values: ["eml", "mbox", "maildir"],
        optional: true,
        brief: "eml unless the path ends in .mbox; an mbox must not be there yet",
      },
      json: switchFlag("JSON Lines: one object for each message"),
    },
    positional: idArguments,
  },
  docs: {
    brief: "Write messages to files, with the trace fields on top; the queue keeps them",
    fullDescription: helpText("Without ids and filters: all that is here.", {
      "odmr queue export --to backup.mbox": "all that waits, in one file",
      "odmr queue export --customer home --to mail --format maildir": "one customer's mail, as a Maildir",
    }),
  },
});

function refuseTaken(path: string): (error: unknown) => never {
  return (error) => {
    const taken = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw taken ? new Exit(status.cannotCreate, `${path} is there already; name another file`) : error;
  };
}
