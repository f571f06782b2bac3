/** `odmr queue add` and `import`: mail into the queue, from stdin or from files. */
// Files are read and not touched. What is said to be added is safe: ids are printed after the commit.
import { buildCommand } from "@stricli/core";
import { canonical } from "../../src/mail/canonical.ts";
import { type FoundMessage, kindAt, messagesAt } from "../../src/mail/files.ts";
import { NoMbox } from "../../src/mail/mbox.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import type { MessageId, Posting, Spool } from "../../src/spool/spool.ts";
import type { Address } from "../../src/wire/address.ts";
import { Exit, status, UsageError } from "../exit.ts";
import { type Context, helpText, switchFlag } from "../flags.ts";
import { workProgress } from "../progress.ts";
import { safe } from "../table.ts";
import { placeOf, withNewSpool } from "./open.ts";
import { Lines } from "./out.ts";
import { type Letter, type Posted, type PostFlags, post, postFlags, sender } from "./post.ts";
import { postingsFor } from "./route.ts";

interface AddFlags extends PostFlags {
  readonly from: Address;
  readonly json: boolean;
}

const jsonFlag = switchFlag("JSON Lines: one object for each entry that was made");

export const addCommand = buildCommand<AddFlags, [], Context>({
  async func(flags) {
    const place = await placeOf(flags);
    const arrived = systemClock.now();
    const postings = postingsFor(flags.to, arrived, { config: place.config, customer: flags.customer });
    const content = canonical(process.stdin as AsyncIterable<Uint8Array>);
    const lines = new Lines(this.process.stdout);
    await withNewSpool(flags, place, async (spool) => {
      const letter = { from: flags.from, postings, arrived, hostname: place.config?.hostname, content };
      const { ids } = await post(letter, spool);
      await tell(lines, await ids, postings, flags.json);
    });
    await lines.end();
  },
  parameters: {
    flags: {
      ...postFlags,
      from: { kind: "parsed", parse: sender, placeholder: "ADDRESS", brief: 'The sender; "<>" for none' },
      json: jsonFlag,
    },
  },
  docs: {
    brief: "Add a message from stdin; it goes where its recipients go",
    fullDescription: helpText(
      "Prints the ids of the entries that were made: one for each way that recipients go.",
      {
        "odmr queue add --from ann@example.net --to bob@example.org < mail.eml": "a message for a customer",
      },
    ),
  },
});

interface ImportFlags extends PostFlags {
  readonly from?: Address;
  readonly json: boolean;
}

/** Commits under way at once: the spool groups them. */
const WINDOW = 64;

export const importCommand = buildCommand<ImportFlags, string[], Context>({
  async func(flags, ...paths) {
    if (paths.length === 0) throw new UsageError("import from where? give files, mbox files or Maildirs");
    const place = await placeOf(flags);
    const options = { config: place.config, customer: flags.customer };
    postingsFor(flags.to, 0, options);
    const lines = new Lines(this.process.stdout);
    const count = await withNewSpool(flags, place, async (spool) => {
      const under: Promise<void>[] = [];
      const progress = workProgress("import", "messages", this.process.stderr);
      let count = 0;
      for await (const message of messagesIn(paths)) {
        const arrived = systemClock.now();
        const postings = postingsFor(flags.to, arrived, options);
        const from = flags.from ?? message.sender ?? "";
        const { ids } = await take(
          message,
          { from, postings, arrived, hostname: place.config?.hostname },
          spool,
        );
        const told = ids.then((made) => tell(lines, made, postings, flags.json));
        told.catch(() => {});
        under.push(told);
        if (under.length >= WINDOW) await under.shift();
        progress.update(++count);
      }
      await Promise.all(under);
      progress.end();
      return count;
    });
    await lines.end();
    if (count === 0) this.process.exitCode = status.noMatch;
  },
  parameters: {
    flags: {
      ...postFlags,
      from: {
        kind: "parsed",
        parse: sender,
        optional: true,
        placeholder: "ADDRESS",
        brief: "The sender of all; else what an mbox notes, else none",
      },
      json: jsonFlag,
    },
    positional: {
      kind: "array",
      parameter: {
        parse: (path: string) => path,
        placeholder: "PATH",
        brief: "A message, an mbox, a Maildir or a folder of messages",
      },
    },
  },
  docs: {
    brief: "Import messages from .eml and mbox files, Maildirs and folders",
    fullDescription: helpText(
      "LF line ends become CRLF; every other octet stays. The files are not touched.",
      {
        "odmr queue import --to bob@example.org ~/Maildir": "a whole Maildir",
        "odmr queue import --to bob@example.org --from ann@example.net old.mbox": "an mbox",
      },
    ),
  },
});

async function* messagesIn(paths: readonly string[]): AsyncGenerator<FoundMessage> {
  for (const path of paths) {
    const kind = await kindAt(path, systemFiles);
    if (kind === undefined) throw new Exit(status.dataError, `there is nothing at ${path}`);
    try {
      yield* messagesAt(path, kind, systemFiles);
    } catch (error) {
      if (error instanceof NoMbox) throw new Exit(status.dataError, `${path} is no mbox: ${error.message}`);
      throw error;
    }
  }
}

/** Reads one message; an error says which it was. */
async function take(message: FoundMessage, head: Omit<Letter, "content">, spool: Spool): Promise<Posted> {
  try {
    return await post({ ...head, content: message.content() }, spool);
  } catch (error) {
    if (error instanceof Exit)
      throw new Exit(error.status, `${message.name}: ${error.message}`, { cause: error });
    throw error;
  }
}

async function tell(
  lines: Lines,
  ids: readonly MessageId[],
  postings: readonly Posting[],
  json: boolean,
): Promise<void> {
  for (const [i, { lane, recipients }] of postings.entries()) {
    const to = recipients.map(({ address }) => address);
    await lines.line(
      json
        ? JSON.stringify({ id: ids[i], direction: lane.direction, customer: lane.customer, recipients: to })
        : `${ids[i]} ${lane.direction} ${safe(lane.customer)} ${to.map(safe).join(",")}`,
    );
  }
}
