/** The door of `odmr serve` with its checks on: names from a real name server, and a real rspamd where there is one. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { dialled } from "../../src/delivery/dialled.ts";
import { dial } from "../../src/net/dial.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { inFolder } from "../support/cli.ts";
import { parcelFor } from "../support/mail.ts";
import { withNameServer } from "../support/nameserver.ts";
import { freePort, run, start } from "../support/processes.ts";
import { type Served, withServe } from "../support/served.ts";
import { keyOf, signed } from "../support/signed.ts";
import { txt } from "../support/zone.ts";

const plain = "From: Ann <ann@world.example>\r\nSubject: Hello\r\n\r\nText.\r\n";
const skip = "Deno" in globalThis && "the program is met by Bun, the production runtime";

/** Hands a message in, and says how it was answered. */
async function send(port: number, text: string): Promise<string> {
  const line = dialled({
    dialect: "SMTP",
    name: `smtp://127.0.0.1:${port}`,
    hostname: "mx.world.example",
    dial: () => dial({ host: "127.0.0.1", port, clock: systemClock, within: 10_000 }),
  });
  try {
    const content = Buffer.from(text, "latin1");
    const [outcome] = await line.deliver(parcelFor(["bob@example.org"], { content }));
    return replyLine(outcome!.reply);
  } finally {
    await line.close();
  }
}

async function stored(served: Served): Promise<readonly string[]> {
  const { stdout } = await served.queue("list", "--json");
  const ids = stdout
    .trim()
    .split("\n")
    .filter((line) => line !== "");
  const texts = ids.map(
    async (line) => (await served.queue("cat", (JSON.parse(line) as { id: string }).id)).stdout,
  );
  return Promise.all(texts);
}

describe("odmr serve that looks", { skip }, () => {
  it("marks what it finds out, takes forgeries out, and refuses what the domain in From asks to refuse", () => {
    const zone = {
      "_dmarc.world.example TXT": txt("v=DMARC1; p=reject"),
      "world.example TXT": txt("v=spf1 -all"),
      ...keyOf("world.example"),
    };
    return inFolder((folder) =>
      withNameServer(zone, (server) =>
        withServe(
          folder,
          {
            listen: [{ service: "intake" }],
            domains: ["example.org"],
            checks: { dns: [server], authentication: { dmarcReject: "refuse" } },
          },
          async (served) => {
            const [port = 0] = served.ports;
            const forged = "Authentication-Results: relay.test; dkim=pass\r\n";
            const good = await signed(plain, "world.example");
            assert.match(await send(port, `${forged}${good}`), /^250 2\.0\.0 /);
            assert.match(await send(port, plain), /^550 5\.7\.26 DMARC: /);
            const [text = "", ...others] = await stored(served);
            assert.deepEqual(others, []);
            assert.match(
              text,
              /^Authentication-Results: relay\.test;\r\n\tspf=\S+ .*;\r\n\tdkim=pass [\s\S]*;\r\n\tdmarc=pass /,
            );
            assert.equal(text.indexOf(forged), -1);
            assert.ok(text.endsWith(`+0000\r\n${good}`), text);
            assert.match(served.log(), /"event":"message refused".*"why":"DMARC"/);
          },
        ),
      ),
    );
  });
});

const rspamd = existsSync("/usr/bin/rspamd");

describe("rspamd of Debian", { skip: skip || (!rspamd && "not installed: rspamd") }, () => {
  it("marks, adds its fields and refuses, and mail comes in while it is down", () =>
    inFolder(async (folder) => {
      const worker = await freePort();
      await withServe(
        folder,
        {
          listen: [{ service: "intake" }],
          domains: ["example.org"],
          checks: { rspamd: { at: `127.0.0.1:${worker}` } },
        },
        async (served) => {
          const [port = 0] = served.ports;
          await withRspamd(folder, worker, async () => {
            assert.match(await send(port, "Subject: spammy\r\n\r\ntext\r\n"), /^250 /);
            assert.match(await send(port, `Subject: x\r\n\r\n${GTUBE}\r\n`), /^550 5\.7\.1 Gtube pattern/);
          });
          assert.match(await send(port, "Subject: unseen\r\n\r\ntext\r\n"), /^250 /);
          const [marked = "", unseen = ""] = await stored(served);
          assert.match(marked, /^X-Spam: Yes\r\nX-Seen: 127\.0\.0\.1 mx\.world\.example \S* 1\r\nReceived: /);
          assert.match(unseen, /^Received: /);
          assert.match(served.log(), /"event":"message not looked at".*rspamd/);
        },
      );
    }));
});

const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/** A worker with two rules of its own, and none of the network's. */
async function withRspamd(folder: string, port: number, use: () => Promise<void>): Promise<void> {
  await writeFile(join(folder, "tld"), "com\norg\n");
  await writeFile(join(folder, "rules.lua"), RULES);
  const file = join(folder, "rspamd.conf");
  await writeFile(file, configuration(folder, port));
  await run("chmod", ["-R", "a+rX", folder]);
  const running = start("/usr/bin/rspamd", ["-f", "-i", "-c", file]);
  try {
    await running.until(() => answersAt(port));
    await use();
  } finally {
    await running.stop();
  }
}

const answersAt = (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/ping`).then(
    ({ ok }) => ok,
    () => false,
  );

const configuration = (folder: string, port: number) => `
options {
  pidfile = "${folder}/pid"; tempdir = "${folder}"; cache_file = "${folder}/symbols"; hs_cache_dir = "${folder}";
  control_socket = "${folder}/control.sock"; url_tld = "${folder}/tld"; filters = "";
  dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }
}
lang_detection { languages = "${folder}/none"; }
logging { type = "console"; level = "error"; }
worker "normal" { bind_socket = "127.0.0.1:${port}"; count = 1; }
actions { reject = 15; add_header = 6; }
lua = "${folder}/rules.lua";
`;

const RULES = `
rspamd_config.SPAMMY = { score = 7, callback = function(task) return task:get_subject() == 'spammy' end }
rspamd_config:register_symbol({ name = 'SEEN', type = 'postfilter', callback = function(task)
  local from, to = task:get_from('smtp'), task:get_recipients('smtp')
  task:set_milter_reply({ add_headers = { ['X-Seen'] = string.format('%s %s %s %s', tostring(task:get_ip()),
    task:get_helo() or '', from and from[1].addr or '', to and #to or 0) } })
end })
`;
