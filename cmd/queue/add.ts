/** `odmr queue add` and `import`: mail into the queue, from stdin or from files. */
// Files are read and not touched. What is said to be added is safe: ids are printed after the commit.
import { buildCommand } from "@stricli/core";
import { canonical } from "../../src/mail/canonical.ts";
import { type FoundMessage, kindAt, messagesAt } from "../../src/mail/files.ts";
import { NoMbox } from "../../src/mail/mbox.ts";
import { type Instant, systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { type Added, addedOf } from "../../src/spool/post.ts";
import { SpoolError } from "../../src/spool/spool.ts";
import type { Address } from "../../src/wire/address.ts";
import { Exit, status, UsageError } from "../exit.ts";
import { type Context, helpText, switchFlag } from "../flags.ts";
import { workProgress } from "../progress.ts";
import { safe } from "../table.ts";
import { placeOf, remoteOf, withNewSpool } from "./open.ts";
import { Lines } from "./out.ts";
import { type PostFlags, post, postFlags, sender } from "./post.ts";
import { postingsFor } from "./route.ts";

interface AddFlags extends PostFlags {
  readonly from: Address;
  readonly json: boolean;
}

const jsonFlag = switchFlag("JSON Lines: one object for each entry that was made");

export const addCommand = buildCommand<AddFlags, [], Context>({
  async func(flags) {
    const lines = new Lines(this.process.stdout);
    await withPost(flags, async (post) => {
      const { made } = await post(flags.from, canonical(process.stdin as AsyncIterable<Uint8Array>));
      await tell(lines, await made, flags.json);
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
    customUsage: ["--from ADDRESS --to ADDRESS... < MESSAGE"],
    fullDescription: helpText(
      "Prints the ids of the entries that were made: one for each way that recipients go. Out of a relay (serve.outbound) it\n" +
        "leaves in the name of the customer whose sender it has, signed as that customer's mail is. A program that runs on the\n" +
        "spool sees it within a second.",
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
    const lines = new Lines(this.process.stdout);
    const count = await withPost(flags, async (post) => {
      const under: Promise<void>[] = [];
      const progress = workProgress("import", "messages", this.process.stderr);
      let count = 0;
      for await (const message of messagesIn(paths)) {
        const { made } = await take(message, flags.from ?? message.sender ?? "", post);
        const told = made.then((added) => tell(lines, added, flags.json));
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
    customUsage: ["--to ADDRESS... PATH..."],
    fullDescription: helpText(
      "LF line ends become CRLF; every other octet stays. The files are not touched. Files hold no envelope: what goes\n" +
        "from one spool to another with recipients, states and history is moved by odmr queue migrate.",
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

/** Posts one message; resolves when it is read, `made` when it is safe. */
type Post = (
  from: Address,
  content: AsyncIterable<Uint8Array>,
) => Promise<{ readonly made: Promise<readonly Added[]> }>;

/** Here into the spool, which is made if it is not there; with --url into one elsewhere, which knows the ways. */
async function withPost<T>(
  flags: PostFlags & { readonly from?: Address },
  act: (post: Post) => Promise<T>,
): Promise<T> {
  const { to, customer } = flags;
  const remote = await remoteOf(flags);
  if (remote !== undefined)
    return await act(async (from, content) => {
      const added = await remote.add({ from, to, customer, content });
      return { made: Promise.resolve(added) };
    });
  const place = await placeOf(flags);
  const { config } = place;
  const ways = (from: Address, arrived: Instant) => postingsFor({ from, to, arrived, config, customer });
  // Where there is no way, no spool is made. The way out of a relay depends on the sender, whom an mbox may tell only later.
  if (flags.from !== undefined || config?.serve?.outbound === undefined) ways(flags.from ?? "", 0);
  return await withNewSpool(flags, place, (spool) =>
    act(async (from, content) => {
      const arrived = systemClock.now();
      const postings = ways(from, arrived);
      const { ids } = await post({ from, postings, arrived, hostname: config?.hostname, content }, spool);
      return { made: ids.then((ids) => addedOf(ids, postings)) };
    }),
  );
}

/** Reads one message; an error says which it was. */
async function take(message: FoundMessage, from: Address, post: Post): ReturnType<Post> {
  try {
    return await post(from, message.content());
  } catch (error) {
    if (error instanceof Exit)
      throw new Exit(error.status, `${message.name}: ${error.message}`, { cause: error });
    if (error instanceof SpoolError && error.fault === "request")
      throw new SpoolError(error.fault, `${message.name}: ${error.message}`, { cause: error });
    throw error;
  }
}

async function tell(lines: Lines, added: readonly Added[], json: boolean): Promise<void> {
  for (const { id, direction, customer, recipients } of added)
    await lines.line(
      json
        ? JSON.stringify({ id, direction, customer, recipients })
        : `${id} ${direction} ${safe(customer)} ${recipients.map(safe).join(",")}`,
    );
}
