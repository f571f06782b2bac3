/** `odmr pull` takes the corpus home, into a Dovecot by LMTP and into a Postfix by SMTP. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withDovecot } from "../support/dovecot.ts";
import { changed, letters, lettersIn, post } from "../support/letters.ts";
import { onlyPostfixChanged, withPostfix } from "../support/postfix.ts";
import { freePort, inOpenFolder, withServers } from "../support/processes.ts";
import { pull, withServe } from "../support/served.ts";

const domains = ["a.test", "b.test"];
const listen = [
  { service: "intake", tls: "none" },
  { service: "odmr", tls: "none" },
];

/** The Received fields of the relay and of the house. */
const HOPS = 2;

describe("pull into Dovecot", withServers("dovecot"), () => {
  test("the whole corpus arrives byte for byte; while Dovecot is down it waits at the provider", () =>
    inOpenFolder((folder) =>
      withServe(folder, { listen, domains }, async ({ ports, queue }) => {
        const sent = await letters(domains);
        await post(ports[0]!, sent);
        const lmtp = await freePort();
        const call = { port: ports[1]!, domains, to: `lmtp://127.0.0.1:${lmtp}` };

        const down = await pull(folder, call);
        assert.equal(down.status, 75, down.stderr);
        assert.match(down.stdout, /^vps: no call was made: .*127\.0\.0\.1/);
        assert.equal((await queue("count", "--state", "waiting")).stdout.trim(), String(sent.length));

        await withDovecot(folder, lmtp, async (dovecot) => {
          const up = await pull(folder, call);
          assert.equal(up.status, 0, `${up.stdout}${up.stderr}${dovecot.log()}`);
          assert.deepEqual(changed(sent, await lettersIn(dovecot.maildir)), []);
          assert.equal((await queue("count", "--state", "waiting")).stdout.trim(), "0");
          assert.match((await pull(folder, call)).stdout, /^vps: no mail$/m);
        });
      }),
    ));

  test("its unix socket does as well", () =>
    inOpenFolder((folder) =>
      withServe(folder, { listen, domains }, async ({ ports }) => {
        const sent = await letters(domains, 20);
        await post(ports[0]!, sent);
        await withDovecot(folder, await freePort(), async ({ socket, maildir, log }) => {
          const { status, stdout } = await pull(folder, { port: ports[1]!, domains, to: `lmtp:${socket}` });
          assert.equal(status, 0, `${stdout}${log()}`);
          assert.deepEqual(changed(sent, await lettersIn(maildir)), []);
        });
      }),
    ));
});

describe("pull into Postfix", withServers("postfix"), () => {
  test("the whole corpus arrives; only what Postfix changes is changed", () =>
    inOpenFolder((folder) =>
      withServe(folder, { listen, domains }, ({ ports }) =>
        withPostfix(folder, { domains: [...domains, "direct.test"] }, async (postfix) => {
          const sent = await letters(domains);
          await post(ports[0]!, sent);
          const to = `smtp://127.0.0.1:${postfix.port}`;
          const { status, stdout, stderr } = await pull(folder, { port: ports[1]!, domains, to });
          assert.equal(status, 0, `${stdout}${stderr}`);
          await onlyPostfixChanged(postfix, sent, { domain: "direct.test", hops: HOPS });
        }),
      ),
    ));
});
