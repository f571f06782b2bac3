/** Several nodes on one PostgreSQL beside the embedded spool, intake and turns: `npm run bench nodes`. */
// Options: --rounds N, --binary FILE, --json FILE, --count N. Needs Debian's postgresql, and postfix for its load tool.
// The database, the nodes and the load share this machine: what is seen is where the curve bends here, not what nodes can do.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Postgresql, startPostgresql } from "../support/postgresql.ts";
import { type Contender, contest, heading, type Measured } from "./support/compare.ts";
import { source } from "./support/postfix.ts";
import { type BenchRelay, inDiskFolder, pull, withRelay } from "./support/relay.ts";

const { values } = parseArgs({ options: { count: { type: "string" } }, strict: false });
const COUNT = Number(values.count ?? 6000);
const SIZE = 4096;
const SESSIONS = 60;

/** Runs so many nodes on one spool, each in a folder of its own; undefined: one relay with its own spool. */
async function withNodes<T>(
  folder: string,
  { nodes, spool }: { readonly nodes: number; readonly spool: string | undefined },
  use: (relays: readonly BenchRelay[]) => Promise<T>,
  started: readonly BenchRelay[] = [],
): Promise<T> {
  if (started.length === nodes) return await use(started);
  const own = join(folder, `node${started.length}`);
  mkdirSync(own);
  return await withRelay(own, spool === undefined ? {} : { spool }, (relay) =>
    withNodes(folder, { nodes, spool }, use, [...started, relay]),
  );
}

/** The load is shared out among the nodes. */
async function fill(relays: readonly BenchRelay[]): Promise<number> {
  const began = performance.now();
  const share = { size: SIZE, sessions: SESSIONS / relays.length, count: Math.ceil(COUNT / relays.length) };
  await Promise.all(relays.map(({ intake }) => source(intake, share)));
  return (COUNT / (performance.now() - began)) * 1000;
}

/** One house a node calls at once; together they empty the queue. */
async function empty(relays: readonly BenchRelay[]): Promise<number> {
  const began = performance.now();
  await Promise.all(relays.map(({ folder, odmr }) => pull(folder, odmr)));
  return (COUNT / (performance.now() - began)) * 1000;
}

function contender(name: string, nodes: number, server: Postgresql | undefined, act: typeof fill): Contender {
  return {
    name,
    measure: async (): Promise<Measured> =>
      await inDiskFolder((folder) =>
        withNodes(folder, { nodes, spool: server?.spool() }, async (relays) => {
          if (act === empty) await fill(relays);
          return { rate: await act(relays) };
        }),
      ),
  };
}

const server = await startPostgresql({ durable: true });
try {
  for (const [title, act] of [
    [`Intake, 4 KB × ${SESSIONS} sessions`, fill],
    ["Turns, one house a node at once, 4 KB", empty],
  ] as const) {
    heading(title, "messages/s");
    await contest({
      name: "",
      contenders: [
        contender("embedded spool, one relay", 1, undefined, act),
        ...[1, 2, 3].map((nodes) =>
          contender(`PostgreSQL, ${nodes} node${nodes > 1 ? "s" : ""}`, nodes, server, act),
        ),
      ],
    });
  }
} finally {
  await server.stop();
}
