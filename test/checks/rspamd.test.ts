/** rspamd's protocol, with a server that is scripted here: what we say, what we make of answers, and of hostile ones. */
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Letter, Verdict } from "../../src/checks/check.ts";
import { Rspamd, type RspamdRules } from "../../src/checks/rspamd.ts";
import { askHttp } from "../../src/platform/ask.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { inFolder } from "../support/cli.ts";
import { manualClock } from "../support/clock.ts";

const message = "Subject: hello\r\n\r\ntext\r\n";

function letter(text = message, over: Partial<Letter["visitor"]> = {}): Letter {
  const bytes = Buffer.from(text, "latin1");
  const content = async function* () {
    yield bytes.subarray(0, 10);
    yield bytes.subarray(10);
  };
  return {
    id: "0199",
    visitor: { address: "192.0.2.7", helo: "mx.world.example", ...over },
    from: "ann@world.example",
    recipients: ["bob@example.org", "eve@example.org"],
    size: bytes.length,
    original: content,
    content,
  };
}

/** A server that hears requests out and answers each by `talk`. */
async function withServer<T>(
  talk: (socket: Socket, request: string) => void,
  use: (at: { host: string; port: number }, heard: readonly string[]) => Promise<T>,
  path?: string,
): Promise<T> {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      const length = /\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1];
      const body = text.indexOf("\r\n\r\n") + 4;
      if (length === undefined || body < 4 || text.length < body + Number(length)) return;
      heard.push(text);
      talk(socket, text);
      text = "";
    });
  });
  await new Promise<void>((resolve) =>
    path === undefined ? server.listen(0, "127.0.0.1", resolve) : server.listen(path, resolve),
  );
  const { port } = path === undefined ? (server.address() as { port: number }) : { port: 0 };
  try {
    return await use({ host: "127.0.0.1", port }, heard);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

const http = (body: string, status = "200 OK") =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
const rules = (at: RspamdRules["at"], more: Partial<RspamdRules> = {}): RspamdRules => ({
  at,
  timeout: 20_000,
  size: 1_000_000,
  whenDown: "accept",
  ...more,
});
const tools = { hostname: "relay.test", clock: systemClock, ask: askHttp };

/** What becomes of a message when the server says so. */
const answered = (answer: string, more: Partial<RspamdRules> = {}): Promise<Verdict> =>
  withServer(
    (socket) => socket.end(answer),
    (at) => new Rspamd(rules(at, more), tools).examine(letter()),
  );
const says = (answer: unknown) => answered(http(JSON.stringify(answer)));

describe("rspamd", () => {
  it("is told of the envelope and the session, and shown the message", async () => {
    await withServer(
      (socket) => socket.end(http('{"action":"no action"}')),
      async (at, heard) => {
        const visitor = {
          name: "mx.world.example",
          user: "jürgen\r\nEvil: 1",
          tls: { protocol: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256" },
        };
        await new Rspamd(rules(at, { password: "q1" }), tools).examine(letter(message, visitor));
        const [head = "", ...body] = heard[0]!.split(/(?<=\r\n\r\n)/);
        assert.equal(body.join(""), message);
        const told = head
          .split("\r\n")
          .filter((line) => !/^(connection|host|accept.*|user-agent|transfer-.*):|^$/i.test(line));
        assert.deepEqual(told.map((line) => line.replace(/^[^:]+:/, (name) => name.toLowerCase())).sort(), [
          "POST /checkv2 HTTP/1.1",
          "content-length: 24",
          "from: ann@world.example",
          "helo: mx.world.example",
          "hostname: mx.world.example",
          "ip: 192.0.2.7",
          "mta-name: relay.test",
          "password: q1",
          "queue-id: 0199",
          "rcpt: bob@example.org",
          "rcpt: eve@example.org",
          "tls-cipher: TLS_AES_128_GCM_SHA256",
          "tls-version: TLSv1.3",
          `user: ${Buffer.from("jürgen  Evil: 1").toString("latin1")}`,
        ]);
      },
    );
  });

  it("is found on a unix socket too", () =>
    inFolder(async (folder) => {
      const path = join(folder, "rspamd.sock");
      await withServer(
        (socket) => socket.end(http('{"action":"add header"}')),
        async () =>
          assert.deepEqual(await new Rspamd(rules({ path }), tools).examine(letter()), {
            fields: "X-Spam: Yes\r\n",
          }),
        path,
      );
    }));

  for (const [action, told] of [
    ["no action", ""],
    ["greylist", ""],
    ["add header", "X-Spam: Yes"],
    ["rewrite subject", "X-Spam: Yes"],
    ["reject", "550 5.7.1 Refused as spam"],
    ["discard", "550 5.7.1 Refused as spam"],
    ["soft reject", "451 4.7.1 Try again later"],
    ["something new", ""],
  ] as const)
    it(`says "${action}": ${told || "nothing is done"}`, async () => {
      const { refusal, fields = "" } = await says({ action, score: 7 });
      assert.equal(refusal ? replyLine(refusal) : fields.trim(), told);
    });

  it("refuses in words of its own", async () => {
    const { refusal } = await says({ action: "reject", messages: { smtp_message: "Gtube\r\n250 OK ä" } });
    assert.equal(replyLine(refusal!), "550 5.7.1 Gtube 250 OK");
  });

  it("adds fields, and nothing that could be more than a field", async () => {
    const { fields } = await says({
      action: "no action",
      milter: {
        add_headers: {
          "X-Spamd-Bar": "++",
          "X-Spamd-Result": { value: "default: False [1.0];\n\tA(1.0)\r\n\r\nbody", order: 0 },
          "X-Many": ["1", { value: "2" }],
          "X Bad": "1",
          "X-Evil\r\nY": "1",
          Subject: "another",
          From: "other@x",
          "X-Empty": " \r\n ",
          "X-Utf8": "grün\0",
        },
        remove_headers: { "X-Spam": 0 },
      },
    });
    assert.equal(
      fields,
      "X-Spamd-Bar: ++\r\nX-Spamd-Result: default: False [1.0];\r\n\tA(1.0)\r\n\tbody\r\nX-Many: 1\r\nX-Many: 2\r\nX-Utf8: gr?n?\r\n",
    );
  });

  it("is not shown what is larger than is wanted", async () => {
    await withServer(
      (socket) => socket.end(http('{"action":"reject"}')),
      async (at, heard) => {
        assert.deepEqual(await new Rspamd(rules(at, { size: 10 }), tools).examine(letter()), {});
        assert.equal(heard.length, 0);
      },
    );
  });

  it("sees a large message whole", async () => {
    await withServer(
      (socket) => socket.end(http('{"action":"no action"}')),
      async (at, heard) => {
        const large = `Subject: large\r\n\r\n${"0123456789abcdef\r\n".repeat(40_000)}`;
        await new Rspamd(rules(at), tools).examine(letter(large));
        assert.ok(heard[0]?.endsWith(`\r\n\r\n${large}`));
      },
    );
  });
});

describe("rspamd that is not well", () => {
  const ill = {
    "answers 500": http("{}", "500 Oops"),
    "answers no JSON": http("<html>"),
    "answers JSON without an action": http('{"score":1}'),
    "answers an action that is no text": http('{"action":{"x":1}}'),
    "speaks no HTTP": "220 relay ESMTP\r\n",
    "closes at once": "",
    "closes within its answer": http(`{"action":"no action","x":"${"y".repeat(100)}"}`).slice(0, -50),
    "answers without an end": http(`"${"x".repeat(3_000_000)}"`),
  };
  for (const [what, answer] of Object.entries(ill))
    it(`and ${what} lets mail in, or has it come again, as the operator wants`, async () => {
      const accepted = await answered(answer);
      assert.deepEqual(Object.keys(accepted), ["why"]);
      assert.match(accepted.why ?? "", /^rspamd: /);
      const { refusal } = await answered(answer, { whenDown: "defer" });
      assert.equal(replyLine(refusal!), "451 4.7.1 Cannot look at it now, try again later");
    });

  it("and not there at all is no other", async () => {
    const at = await withServer(
      () => {},
      async (where) => where,
    );
    const { refusal, why } = await new Rspamd(rules(at, { whenDown: "defer" }), tools).examine(letter());
    assert.equal(refusal?.code, 451);
    assert.match(why ?? "", /^rspamd: /);
  });

  it("and silent is waited for so long and no longer", async () => {
    const clock = manualClock();
    await withServer(
      () => {},
      async (at, heard) => {
        const verdict = new Rspamd(rules(at), { ...tools, clock }).examine(letter());
        while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
        await clock.advance(20_000);
        assert.deepEqual(await verdict, { why: "rspamd: no answer in time" });
        assert.equal(clock.timers, 0);
      },
    );
  });
});
