/** The whole of it in one house: a Postfix that is the world, two relays, a Dovecot at home; mail in, out, across and back. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  DKIM_RECORD,
  type Household,
  mailIn,
  mailOf,
  NEIGHBOUR,
  PIN,
  withHousehold,
} from "../support/household.ts";
import { byRecipient, changed, latin1, letters, post } from "../support/letters.ts";
import { canonical, octets } from "../support/mail.ts";
import { eventually, type Running, run, withServers } from "../support/processes.ts";
import { dkimVerdicts, readNotice } from "../support/python.ts";

const MANY = 24;
const users = ["bob", "ann", ...Array.from({ length: MANY }, (_, i) => `m${i}`)];

/** What everybody has said, for a test that fails. */
const saidBy =
  ({ world, relays, dovecot }: Household, daemon: Running) =>
  async () =>
    [await world.log(), ...relays.map((relay) => relay.log()), dovecot.log(), daemon.said.stderr].join(
      "\n--\n",
    );

/** A program hands a letter in by SMTP. */
async function swaks(port: number, from: string, to: string, subject: string): Promise<void> {
  const words = ["--server", "127.0.0.1", "--port", String(port), "--from", from, "--to", to];
  const { status, stdout } = await run("swaks", [
    ...words,
    "--header",
    `Subject: ${subject}`,
    "--body",
    "Text.",
  ]);
  assert.equal(status, 0, stdout);
}

const letterTo = (to: string, subject: string) => {
  const raw = octets(
    `From: eve@world.test\nTo: ${to}\nMessage-ID: <${subject}@world.test>\nSubject: ${subject}\n\nText.\n`,
  );
  return { to, message: { name: subject, raw, canonical: canonical(raw) } };
};

const subjectsIn = async (maildir: string): Promise<readonly string[]> =>
  (await mailIn(maildir)).map((mail) => /^Subject: (.*?)\r?$/m.exec(latin1(mail))?.[1] ?? "").sort();

describe("one house", withServers("postfix", "dovecot", "swaks", "dkimverify"), () => {
  test("has mail from the world, to the world, to a neighbour, and word of what its Dovecot refused", () =>
    withHousehold(users, async (house) => {
      const { world, dovecot, door, relays } = house;
      const daemon = await house.open();
      const why = saidBy(house, daemon);

      const sent = await letters(["home.test"], MANY);
      await post(world.port, sent);
      await swaks(world.port, "eve@world.test", "nobody@home.test", "to nobody");
      await swaks(door, "bob@home.test", "eve@world.test", "to the world");
      await swaks(door, "bob@home.test", `ann@${NEIGHBOUR}`, "to the neighbour");

      const came = await Promise.all(
        sent.map(async ({ to }) => (await mailOf(dovecot.maildirOf(to.split("@")[0]!), 1, why))[0]!),
      );
      const arrived = byRecipient(came.map(canonical), /^Delivered-To: <?([^>\r]+)/m);
      assert.deepEqual(changed(sent, arrived), []);

      const abroad = await mailOf(world.maildir, 2, why);
      const [notice, letter] = abroad.toSorted(
        (a, b) => latin1(a).search("to the world") - latin1(b).search("to the world"),
      );
      assert.match(latin1(letter!), /^Subject: to the world$/m);
      assert.deepEqual(await dkimVerdicts([{ octets: canonical(letter!), record: DKIM_RECORD }]), [
        "pass odmr._domainkey.home.test.",
      ]);

      assert.match(latin1(notice!), /^Return-Path: <>$/m);
      const { status, ...read } = await readNotice(notice!);
      assert.deepEqual(read, {
        ...{ type: "multipart/report", reportType: "delivery-status", to: "eve@world.test" },
        parts: ["text/plain", "message/delivery-status", "text/rfc822-headers"],
        ...{ about: "to nobody", defects: [] },
      });
      const [ofMessage, ofRecipient, ...more] = status;
      assert.equal(ofMessage?.["Reporting-MTA"], "dns; house.home.test");
      assert.deepEqual(
        [ofRecipient?.["Final-Recipient"], ofRecipient?.Action, ofRecipient?.Status, more],
        ["rfc822; nobody@home.test", "failed", "5.1.1", []],
      );
      assert.match(ofRecipient?.["Diagnostic-Code"] ?? "", /^smtp; 550 5\.1\.1 .*nobody/);

      const from = `odmr://neighbour@${relays[0].host}:${relays[0].odmr}/${NEIGHBOUR}`;
      const secret = ["--password-file", "home.secret", "--pin", PIN()];
      const pulled = await house.odmr("pull", from, "--to", "maildir:next/{local}", ...secret, "--json");
      assert.equal(pulled.status, 0, pulled.stderr);
      assert.deepEqual(await subjectsIn(join(house.folder, "next", "ann")), ["to the neighbour"]);

      await daemon.stop();
      assert.deepEqual(await house.verify(), ["0", "0", "0"]);
    }));

  test("goes on when a relay is down, and has each mail once, whichever way it came, and however often", () =>
    withHousehold(users, async (house) => {
      const { world, dovecot, relays } = house;
      const [first, second] = relays;
      const sent: string[] = [];
      const write = async (to: string, subject: string, port = world.port) => {
        sent.push(subject);
        await post(port, [letterTo(to, subject)]);
      };
      const taken = (relay: typeof first, times: number) =>
        eventually(
          () => relay.log().split('"event":"accepted"').length > times,
          () => relay.log(),
        );

      await write("bob@home.test", "by the first");
      await taken(first, 1);
      await first.stop();
      await write("bob@home.test", "by the second");
      await taken(second, 1);

      const daemon = await house.open();
      const why = saidBy(house, daemon);
      const box = dovecot.maildirOf("bob");
      await mailOf(box, 1, why);
      assert.deepEqual(await subjectsIn(box), ["by the second"]);

      await first.start();
      const called = await house.odmr(
        "pull",
        "--now",
        "--config",
        join(house.folder, "house.yaml"),
        "relay1",
      );
      assert.equal(called.status, 0, called.stdout + called.stderr);
      await write("bob@home.test", "by the first again");
      await mailOf(box, 3, why);

      // A relay that took it and could not say so any more: the sender gives it to the other too.
      const twice = letterTo("bob@home.test", "by both");
      for (const { host, intake } of relays) await post(intake, [twice], { host });
      sent.push("by both");
      const doubled = async () => {
        const { stdout } = await house.odmr(
          "queue",
          "history",
          "--json",
          "--spool",
          join(house.folder, "house.db"),
        );
        return stdout.split('"what":"doubled"').length - 1;
      };
      await eventually(
        async () => (await doubled()) === 1,
        () => daemon.said.stderr,
      );
      await mailOf(box, sent.length, why);
      await daemon.stop();
      assert.deepEqual(await subjectsIn(box), sent.toSorted());
      assert.deepEqual(await house.verify(), ["0", "0", "0"]);
    }));
});
