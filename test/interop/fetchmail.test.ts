/** fetchmail calls `odmr serve` and pours what it gets into a Postfix, as people have done since RFC 2645. */
// It waits some 50 ms a message for its own small writes; several of it at once make up for that.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { certs } from "../support/certs.ts";
import type { Ended } from "../support/cli.ts";
import { letters, post } from "../support/letters.ts";
import { blockOf } from "../support/page.ts";
import { onlyPostfixChanged, withPostfix } from "../support/postfix.ts";
import { inOpenFolder, run, withServers } from "../support/processes.ts";
import { PASSWORD, withServe } from "../support/served.ts";

const DOMAINS = ["a.test", "b.test", "c.test", "d.test", "e.test"];
/** The relay's Received field. */
const HOPS = 1;

const ways = {
  "in the clear": { tls: "none", words: "", compatibility: "auto" },
  "over implicit TLS, line by line": {
    tls: "implicit",
    words: 'ssl sslcertck sslcertfile "ca.crt" sslcommonname "relay.test"',
    compatibility: "plain",
  },
} as const;

describe("fetchmail", withServers("fetchmail", "postfix", "openssl"), () => {
  for (const [how, { tls, words, compatibility }] of Object.entries(ways))
    test(`it drains the whole corpus into a Postfix ${how}; only what Postfix changes is changed`, () =>
      inOpenFolder(async (folder) => {
        const { server, ca } = certs();
        await writeFile(join(folder, "ca.crt"), ca);
        const listen = [
          { service: "intake", tls: "none" },
          { service: "odmr", tls },
        ];
        const plan = { listen, domains: DOMAINS, tls: server, customer: { compatibility } };
        await withServe(folder, plan, ({ ports, log }) =>
          withPostfix(folder, { domains: [...DOMAINS, "direct.test"] }, async (postfix) => {
            const sent = await letters(DOMAINS);
            await post(ports[0]!, sent);
            const calls = DOMAINS.map((domain) =>
              fetchmail({ folder, from: ports[1]!, to: postfix.port, domain, words }),
            );
            for (const { status, stdout, stderr } of await Promise.all(calls))
              assert.equal(status, 0, `${stdout}${stderr}${log()}`);
            await onlyPostfixChanged(postfix, sent, { domain: "direct.test", hops: HOPS });
          }),
        );
      }));

  test("its exit status tells 453 (no mail), 450 (a domain that is not ours) and a wrong password", () =>
    inOpenFolder(async (folder) => {
      const listen = [{ service: "odmr", tls: "none" }];
      await withServe(folder, { listen, domains: DOMAINS }, async ({ ports }) => {
        const nowhere = 9; // nothing is to be delivered
        const call = { folder, from: ports[0]!, to: nowhere, domain: "a.test" };
        assert.equal((await fetchmail(call)).status, 0);
        assert.equal((await fetchmail({ ...call, domain: "other.test" })).status, 4);
        // It has no status of its own for 535 after AUTH: 128 is its "undefined".
        assert.equal((await fetchmail({ ...call, password: "wrong" })).status, 128);
      });
    }));
});

interface Poll {
  readonly folder: string;
  readonly from: number;
  readonly to: number;
  readonly domain: string;
  readonly words?: string;
  readonly password?: string;
}

async function fetchmail({ folder, from, to, domain, words = "", password }: Poll): Promise<Ended> {
  const rc = `${domain}.fetchmailrc`;
  // What the page says, for this computer.
  const poll = blockOf("migration", "fetchmailrc", words === "" ? "" : "ssl")
    .text.replace("relay.example.net", "127.0.0.1")
    .replace(/port \d+/, `port ${from}`)
    .replace('password "secret"', `password "${password ?? PASSWORD}"`)
    .replace("example.org", domain)
    .replace("127.0.0.1/25", `127.0.0.1/${to}`)
    .replace("ssl sslcertck", words);
  await writeFile(join(folder, rc), poll, { mode: 0o600 });
  const args = ["-f", rc, "--pidfile", join(folder, `${domain}.pid`), "-v", "--nosyslog"];
  return run("fetchmail", args, { cwd: folder, env: { FETCHMAILHOME: folder, HOME: folder } });
}
