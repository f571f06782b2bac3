/** A Postfix that holds the MX relays a customer's mail to `odmr serve`: by LMTP over TCP and a unix socket, and by SMTP. */
import assert from "node:assert/strict";
import { chown, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { byRecipient, changed, letters, post } from "../support/letters.ts";
import { blockOf, postfixSettings } from "../support/page.ts";
import { withPostfix } from "../support/postfix.ts";
import { eventually, inOpenFolder, run, withServers } from "../support/processes.ts";
import { withServe } from "../support/served.ts";

const domains = ["tcp.test", "unix.test", "smtp.test"];
const MANY = 60;

describe("Postfix in front", withServers("postfix"), () => {
  test("what it relays by LMTP and by SMTP is held byte for byte", () =>
    inOpenFolder(async (folder) => {
      const socket = join(folder, "lmtp.sock");
      const listen = [
        { service: "lmtp" },
        { service: "lmtp", address: `unix:${socket}` },
        { service: "intake" },
      ];
      await withServe(folder, { listen, domains }, async ({ ports, queue, log }) => {
        // The socket is for its owner and its group; where both servers run under users of their own, they share one.
        await chown(socket, 0, Number((await run("id", ["-g", "postfix"])).stdout));
        const hops = [
          `lmtp:inet:127.0.0.1:${ports[0]}`,
          `lmtp:unix:${socket}`,
          `smtp:[127.0.0.1]:${ports[2]}`,
        ];
        const map = domains.map((domain, i) => `{ ${domain} = ${hops[i]} }`).join(", ");
        // What the page says, for our domains and doors; lines over 998 octets stay whole by SMTP too.
        const shown = postfixSettings(blockOf("postfix", "ini", "main.cf: in front"));
        assert.equal(shown.transport_maps, "inline:{ { example.org = lmtp:inet:127.0.0.1:2424 } }");
        const settings = {
          ...shown,
          relay_domains: domains.join(" "),
          transport_maps: `inline:{ ${map} }`,
          smtp_line_length_limit: "0",
        };
        await withPostfix(folder, { domains: [], settings }, async (postfix) => {
          const sent = await letters(domains, MANY);
          await post(postfix.port, sent);
          const held = () => log().match(/"event":"accepted"/g)?.length ?? 0;
          await eventually(
            () => held() === sent.length,
            () => `${held()} of ${sent.length} are held`,
            20_000,
          ).catch(async (why: unknown) => assert.fail(`${why}\n${await postfix.log()}`));
          const mail = join(folder, "mail");
          assert.equal((await queue("export", "--to", mail, "--format", "eml")).status, 0);
          const found = await Promise.all((await readdir(mail)).map((name) => readFile(join(mail, name))));
          assert.deepEqual(changed(sent, byRecipient(found, /^\tfor <([^>]+)>/m)), []);
        });
      });
    }));
});
