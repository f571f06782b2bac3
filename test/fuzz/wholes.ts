/** Whole programs as fuzz targets: a relay with its spool, a house after the turn, a house that calls a strange provider. */
// In memory but for the spool. Promises: each 250 for a body is one message in the spool; only declared errors come out.
import assert from "node:assert/strict";
import { type Connection, ConnectionError } from "../../src/net/connection.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { CallError } from "../../src/relay/callerror.ts";
import { runErrand } from "../../src/relay/errand.ts";
import { takeIn } from "../../src/relay/house.ts";
import type { Service } from "../../src/smtp/session.ts";
import { pipe } from "../support/pipe.ts";
import { HOME, openPost, type Post } from "../support/post.ts";
import { clients, latin1, octetsOf, servers, type Target } from "./corpus.ts";

const SOON = 60_000;
/** Runs on one spool: then a new one, so that it stays small. */
const RUNS = 500;

/** What a guesser has to wait costs nothing here; deadlines are what they are. */
const clock: Clock = {
  ...systemClock,
  after: (ms, ring) => systemClock.after(ms <= 30_000 ? 0 : ms, ring),
};

/** A target that runs on a post of its own. */
function onPost(
  name: string,
  corpus: readonly Uint8Array[],
  run: (post: Post, octets: Uint8Array) => Promise<void>,
): Target {
  let post: Promise<Post> | undefined;
  let runs = 0;
  const close = async () => {
    const old = post;
    post = undefined;
    await (await old)?.close();
  };
  return {
    name,
    corpus,
    async run(octets) {
      if (++runs % RUNS === 0) await close();
      post ??= openPost({ clock, customers: [{ ...HOME, domains: ["example.org"] }], messageSize: 1_000 });
      await run(await post, octets);
    },
    close,
  };
}

/** All that comes until the other end closes. */
async function listen(connection: Connection): Promise<string> {
  let heard = "";
  for (;;) {
    const bytes = await connection.read(SOON).catch(() => undefined);
    if (bytes === undefined) return heard;
    heard += latin1(bytes);
  }
}

/** Writes line by line, letting the other end answer in between: what comes at once would be an injection. */
async function sayInLines(connection: Connection, octets: Uint8Array): Promise<void> {
  for (const line of latin1(octets).split(/(?<=\n)/)) {
    await connection.write(octetsOf(line), SOON).catch(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const FACTS = { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" };

/** Comes in at one of the relay's doors, under TLS where there is a login; or as a provider at the house, after the turn. */
function enter(post: Post, service: Service): { readonly peer: Connection; readonly over: Promise<unknown> } {
  if (service !== "reversed") {
    post.line = { clock: post.clock, ...(service === "odmr" && { tls: FACTS }) };
    const { connection, over } = post.dial(service);
    return { peer: connection, over };
  }
  const [peer, ours] = pipe({ clock: post.clock });
  const { house: spool, clock, log } = post;
  const facts = { hostname: "house.test", account: "vps", domains: ["example.org"], messageSize: 1_000 };
  const over = takeIn({ spool, clock, log, ...facts }, ours)
    .catch((fault: unknown) => {
      if (!(fault instanceof CallError)) throw fault;
    })
    .finally(() => ours.close());
  return { peer, over };
}

const whole = (service: Service): Target =>
  onPost(`whole-${service}`, clients, async (post, octets) => {
    const accepted = () => post.logged.filter(({ event }) => event === "accepted").length;
    const before = accepted();
    const { peer, over } = enter(post, service);
    const heard = listen(peer);
    await sayInLines(peer, octets);
    // Whatever it waits for comes now: a final dot, the rest of a chunk, a line's end.
    await peer.write(octetsOf(`\r\n.\r\n${"\r\n".repeat(500)}RSET\r\nQUIT\r\n`), SOON).catch(() => undefined);
    const said = await heard;
    await over;
    assert.match(
      said,
      /^(?:[245]\d\d[ -][\x20-\x7e]*\r\n|3[35]4 [\x20-\x7e]*\r\n|(?:EHLO|MAIL|RCPT|RSET|BDAT|QUIT)[^\r]*\r\n)*$/,
    );
    // LMTP answers once for each recipient, all with the same id.
    assert.equal(new Set(said.match(/^250 2\.0\.0 Stored as .*$/gm)).size, accepted() - before);
  });

const ready = "220 p\r\n250-p\r\n250-AUTH CRAM-MD5\r\n250 ATRN\r\n334 PDEyMz4=\r\n235 in\r\n250 turning\r\n";
const letter = "MAIL FROM:<a@b.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: x\r\n.\r\n";

const calls: Target = onPost(
  "call",
  [
    ...servers,
    octetsOf(`${ready}EHLO p\r\n${letter}${letter}QUIT\r\n`),
    octetsOf(`${ready}EHLO p\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nBDAT 3 LAST\r\nx\r\nQUIT\r\n`),
    octetsOf(
      "220 p\r\n250-p\r\n250-AUTH CRAM-MD5\r\n250 ATRN\r\n334 PDEyMz4=\r\n235 in\r\n453 none\r\n221 bye\r\n",
    ),
  ],
  async (post, octets) => {
    let calls = 0;
    const dial = async () => {
      // Mail came and the line broke: it calls again, and would for ever with one who does this each time.
      if (calls++ > 0) throw new ConnectionError("refused", "nobody is there any more");
      const [here, there] = pipe({ clock: post.clock });
      void listen(there);
      void sayInLines(there, octets).then(() => there.close());
      return here;
    };
    await runErrand(post.account, [], { ...post.caller, dial }).catch((fault: unknown) => {
      if (!(fault instanceof CallError)) throw fault;
    });
  },
);

export const wholes: readonly Target[] = [
  whole("intake"),
  whole("odmr"),
  whole("lmtp"),
  whole("reversed"),
  calls,
];
