/** A Postfix at home that hands its mail to `odmr pull --daemon`: it is with the relay after the call that fetches. */
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { commandLine } from "../support/cli.ts";
import { byRecipient, changed, letters, post } from "../support/letters.ts";
import { blockOf, postfixSettings } from "../support/page.ts";
import { withPostfix } from "../support/postfix.ts";
import { eventually, freePort, inOpenFolder, start, withServers } from "../support/processes.ts";
import { withServe } from "../support/served.ts";

const MANY = 40;

describe("Postfix at home", withServers("postfix"), () => {
  test("what it hands in is with the relay after the call that fetches, byte for byte", () =>
    inOpenFolder(async (folder) => {
      // The neighbour is of the same relay: what is sent to it waits there, to be looked at.
      const domains = ["home.test", "neighbour.test"];
      const plan = {
        listen: [{ service: "odmr" }, { service: "intake" }],
        domains,
        customer: { senders: "any" },
      };
      await withServe(folder, plan, async ({ ports, queue }) => {
        const [relay = 0, intake = 0] = ports;
        const [fetched] = await letters(["home.test"], 1);
        await post(intake, [fetched!]);
        const door = await freePort();
        const [program, ...args] = commandLine([
          ...["pull", "--daemon", "--log", "json"],
          ...["--config", await houseIn(folder, { relay, door })],
        ]);
        const daemon = start(program, args);
        try {
          await daemon.until(() => daemon.said.stderr.includes('"service":"outgoing"'));
          const shown = postfixSettings(blockOf("postfix", "ini", "main.cf: at home"));
          assert.equal(shown.relayhost, "[127.0.0.1]:2525");
          const settings = { ...shown, mydestination: "", relayhost: `[127.0.0.1]:${door}` };
          await withPostfix(folder, { domains: [], settings }, async (postfix) => {
            const sent = await letters(["neighbour.test"], MANY);
            await post(postfix.port, sent);
            const there = async () =>
              (await queue("list", "--json", "--domain", "neighbour.test")).stdout.split("\n").length - 1;
            await eventually(
              async () => (await there()) === sent.length,
              () => `all ${sent.length} are to be with the relay`,
              30_000,
            ).catch(async (why: unknown) =>
              assert.fail(`${why}\n${daemon.said.stderr}\n${await postfix.log()}`),
            );
          });
          assert.equal((await readdir(join(folder, "mail", "m0", "new"))).length, 1);
          const mail = join(folder, "held");
          const filter = ["--domain", "neighbour.test"];
          assert.equal((await queue("export", "--to", mail, "--format", "eml", ...filter)).status, 0);
          const found = await Promise.all((await readdir(mail)).map((name) => readFile(join(mail, name))));
          const sent = await letters(["neighbour.test"], MANY);
          assert.deepEqual(changed(sent, byRecipient(found, /^\tfor <([^>]+)>/m)), []);
        } finally {
          await daemon.stop();
        }
      });
    }));
});

/** Its account is called once an hour: mail that is to leave does not wait for that. */
async function houseIn(
  folder: string,
  at: { readonly relay: number; readonly door: number },
): Promise<string> {
  const account = {
    ...{ name: "vps", provider: `127.0.0.1:${at.relay}`, tls: "none", user: "home", every: "1h" },
    ...{ password: { file: "home.secret" }, domains: ["home.test"] },
    deliver: [{ match: "*", to: "maildir:mail/{local}" }],
  };
  const pull = { accounts: [account], outgoing: { listen: `127.0.0.1:${at.door}`, via: "vps" } };
  const file = join(folder, "house.yaml");
  await writeFile(file, JSON.stringify({ hostname: "house.test", spool: join(folder, "house.db"), pull }));
  return file;
}
