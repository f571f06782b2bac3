/** `odmr queue export`: messages out of the queue into files; the queue keeps them. */
import { buildCommand } from "@stricli/core";
import { type Kind, writerTo } from "../../src/mail/files.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { type MessageId, type Queue, SpoolError } from "../../src/spool/spool.ts";
import { Exit, status } from "../exit.ts";
import { type Context, helpText, switchFlag } from "../flags.ts";
import { watched, workProgress } from "../progress.ts";
import { type FilterFlags, filterFlags, filterOf, idArguments } from "./filter.ts";
import { type QueueFlags, queueFlags, withQueue } from "./open.ts";
import { Lines } from "./out.ts";
import { time } from "./print.ts";

interface ExportFlags extends QueueFlags, FilterFlags {
  readonly to: string;
  readonly format?: Exclude<Kind, "folder">;
  readonly json: boolean;
}

export const exportCommand = buildCommand<ExportFlags, string[], Context>({
  async func(flags, ...ids) {
    const filter = await filterOf(flags, ids, systemClock.now());
    const format = flags.format ?? (flags.to.endsWith(".mbox") ? "mbox" : "eml");
    const { stdout, stderr } = this.process;
    const { written, unread } = await withQueue(flags, async ({ queue }) => {
      const lines = new Lines(stdout);
      const progress = workProgress("export", "messages", stderr);
      const total = watched(stderr) ? await queue.count(filter) : 0;
      let writer: Awaited<ReturnType<typeof writerTo>> | undefined;
      let written = 0;
      let unread = 0;
      try {
        for await (const { id, sender, arrived, size } of queue.list(filter)) {
          const content = await contentOf(queue, id);
          if (content === undefined) continue;
          if (content === "unreadable") {
            unread++;
            stderr.write(`odmr: ${id} cannot be read, and is left out\n`);
            continue;
          }
          writer ??= await writerTo(flags.to, format, systemFiles).catch(refuseTaken(flags.to));
          await writer.write({ id, sender, arrived, content });
          await lines.line(flags.json ? JSON.stringify({ id, size, arrived: time(arrived) }) : id);
          progress.update(++written, total);
        }
      } finally {
        progress.end();
        await writer?.close();
        await lines.end();
      }
      return { written, unread };
    });
    if (unread > 0)
      throw new Exit(status.dataError, `${unread} could not be read; odmr queue verify tells more`);
    if (written === 0) this.process.exitCode = status.noMatch;
  },
  parameters: {
    flags: {
      ...queueFlags,
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
    customUsage: ["--to PATH [ID...] [filters]"],
    fullDescription: helpText(
      "Without ids and filters: all that is here. Files hold no envelope (recipients, states, history): to move a spool use\nodmr queue migrate.",
      {
        "odmr queue export --to backup.mbox": "all that waits, in one file",
        "odmr queue export --customer home --to mail --format maildir": "one customer's mail, as a Maildir",
      },
    ),
  },
});

/** Read as far as trouble shows: a message is written whole or not at all, for a body that is gone or damaged rows. */
async function contentOf(queue: Queue, id: MessageId): Promise<Content | "unreadable" | undefined> {
  try {
    const content = await queue.content(id);
    return content && (await begun(content[Symbol.asyncIterator]()));
  } catch (error) {
    if (error instanceof SpoolError && error.fault !== "corrupt") throw error;
    return "unreadable";
  }
}

type Content = AsyncIterable<Uint8Array>;

/** The trace fields and the body's first piece, then the rest. */
async function begun(pieces: AsyncIterator<Uint8Array>): Promise<Content> {
  const [trace, body] = [await pieces.next(), await pieces.next()];
  return (async function* () {
    for (const { done, value } of [trace, body]) if (done !== true) yield value;
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value;
  })();
}

function refuseTaken(path: string): (error: unknown) => never {
  return (error) => {
    const taken = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw taken ? new Exit(status.cannotCreate, `${path} is there already; name another file`) : error;
  };
}
