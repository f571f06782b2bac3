import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openPairing, type PairingTools, writeInvitation } from "../../cmd/pairing.ts";
import { readCustomers } from "../../src/config/customers.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { Customers } from "../../src/relay/customers.ts";
import { inFolder } from "../support/cli.ts";
import { manualClock } from "../support/clock.ts";

const [OURS, THEIRS] = ["0a".repeat(32), "0b".repeat(32)];
const MINUTE = 60_000;

/** A relay's files, and a relay over them, which may be opened anew as after a restart. */
function inRelay(use: (relay: Relay) => Promise<void>): Promise<void> {
  return inFolder(async (place) => {
    const folder = join(place, "customers");
    const clock = manualClock();
    const read = async () =>
      new Customers(
        (await readCustomers(folder)).map(({ customer }) => ({ ...customer, recipients: undefined })),
      );
    const logged: string[] = [];
    let customers = new Customers([]);
    const tools: PairingTools = {
      folder: () => folder,
      customers: () => customers,
      renew: async () => {
        customers = await read();
      },
      clock,
      random: systemRandom,
      log: { log: (_, event) => void logged.push(event) },
    };
    await use({
      folder,
      logged,
      pairing: (more = {}) => openPairing({ ...tools, ...more }),
      pass: (ms) => clock.advance(ms),
      invite: (name = "home", domains = ["example.org"]) =>
        writeInvitation(folder, { name, domains, until: clock.now() + 10 * MINUTE }, systemRandom),
      again: (replaces) =>
        writeInvitation(folder, { ...HOME, until: clock.now() + 10 * MINUTE, replaces }, systemRandom),
      async names() {
        return (await readdir(folder)).sort();
      },
    });
  });
}

interface Relay {
  readonly folder: string;
  readonly logged: readonly string[];
  pairing(more?: Partial<PairingTools>): ReturnType<typeof openPairing>;
  pass(ms: number): Promise<void>;
  invite(name?: string, domains?: string[]): Promise<string>;
  /** `home` is to come with another certificate than this one. */
  again(replaces: string): Promise<string>;
  names(): Promise<readonly string[]>;
}

const HOME = { name: "home", domains: ["example.org"] };

test("an invitation makes a customer, once; the same certificate hears the same again, any other is refused", () =>
  inRelay(async ({ pairing, invite, names }) => {
    const token = await invite();
    assert.match(token, /^[A-Za-z0-9_-]{22}$/);
    const desk = pairing();
    assert.deepEqual(await desk.redeem(token, OURS), HOME);
    assert.deepEqual(await desk.redeem(token, OURS), HOME);
    assert.equal(await desk.redeem(token, THEIRS), "refused");
    assert.deepEqual(await names(), ["home.invitation", "home.yaml"]);
  }));

test("a customer that is invited again comes with another certificate, once, and nothing else of it changes", () =>
  inRelay(async ({ folder, pairing, invite, again, pass, names }) => {
    await pairing().redeem(await invite(), OURS);
    const file = join(folder, "home.yaml");
    await writeFile(file, `${await readFile(file, "utf8")}quota: 1GiB   # by hand\n`);
    const late = await again(OURS);
    await pass(10 * MINUTE);
    assert.equal(await pairing().redeem(late, THEIRS), "refused");
    const token = await again(OURS);
    const before = await readFile(file, "utf8");
    const open = await readFile(join(folder, "home.invitation"), "utf8");
    const desk = pairing();
    assert.deepEqual(await desk.redeem(token, THEIRS), HOME);
    assert.deepEqual(await desk.redeem(token, THEIRS), HOME);
    assert.equal(await desk.redeem(token, OURS), "refused");
    assert.equal(await readFile(file, "utf8"), before.replace(OURS, THEIRS));
    // A crash before the invitation was marked: nobody else can use it.
    await writeFile(join(folder, "home.invitation"), open);
    assert.equal(await pairing().redeem(token, "0c".repeat(32)), "refused");
    assert.deepEqual(await pairing().redeem(token, THEIRS), HOME);
    assert.deepEqual(await names(), ["home.invitation", "home.yaml"]);
  }));

test("who was taken out does not come back as one who is invited again", () =>
  inRelay(async ({ folder, pairing, invite, again }) => {
    await pairing().redeem(await invite(), OURS);
    const token = await again(OURS);
    await rm(join(folder, "home.yaml"));
    assert.equal(await pairing().redeem(token, THEIRS), "refused");
  }));

test("what is kept of a token is its hash", () =>
  inRelay(async ({ folder, invite, pairing }) => {
    const token = await invite();
    await pairing().redeem(token, OURS);
    for (const name of await readdir(folder))
      assert.equal((await readFile(join(folder, name), "utf8")).includes(token), false, name);
  }));

test("of many who come with one token at once, one is taken in", () =>
  inRelay(async ({ invite, pairing }) => {
    const token = await invite();
    const desks = [pairing(), pairing()];
    const said = await Promise.all(
      Array.from({ length: 20 }, (_, i) => desks[i % 2]!.redeem(token, i.toString(16).padStart(64, "0"))),
    );
    assert.equal(said.filter((each) => each === "refused").length, 19);
    assert.deepEqual(
      said.filter((each) => each !== "refused"),
      [HOME],
    );
  }));

test("an invitation outlives a restart, and not its time", () =>
  inRelay(async ({ invite, pairing, pass }) => {
    const [one, two] = [await invite(), await invite("office", ["office.example"])];
    await pass(10 * MINUTE - 1);
    assert.deepEqual(await pairing().redeem(one, OURS), HOME);
    await pass(1);
    assert.equal(await pairing().redeem(two, OURS), "refused");
    // Who lost the answer may still ask.
    assert.deepEqual(await pairing().redeem(one, OURS), HOME);
  }));

test("after a crash between the customer's file and the answer the same certificate goes on, and nobody else", () =>
  inRelay(async ({ folder, invite, pairing }) => {
    const token = await invite();
    const before = await readFile(join(folder, "home.invitation"), "utf8");
    await pairing().redeem(token, OURS);
    await writeFile(join(folder, "home.invitation"), before);
    assert.equal(await pairing().redeem(token, THEIRS), "refused");
    assert.deepEqual(await pairing().redeem(token, OURS), HOME);
  }));

test("who was taken out again does not come back with the same token", () =>
  inRelay(async ({ folder, invite, pairing }) => {
    const token = await invite();
    await pairing().redeem(token, OURS);
    await rm(join(folder, "home.yaml"));
    assert.equal(await pairing().redeem(token, OURS), "refused");
    assert.equal(await pairing().redeem(token, THEIRS), "refused");
  }));

test("an invitation that was taken back, or followed by another, does not count", () =>
  inRelay(async ({ folder, invite, pairing }) => {
    const first = await invite();
    const second = await invite();
    assert.equal(await pairing().redeem(first, OURS), "refused");
    await rm(join(folder, "home.invitation"));
    assert.equal(await pairing().redeem(second, OURS), "refused");
  }));

test("nobody is made a customer in another's name, or of another's domain", () =>
  inRelay(async ({ invite, pairing, names, logged }) => {
    const rival = {
      ...HOME,
      recipients: undefined,
      hold: 1,
      quota: 1,
      compatibility: "auto",
      order: "oldest",
    } as const;
    const customers = () => new Customers([rival]);
    for (const [name, domain] of [
      ["home", "example.com"],
      ["office", "example.org"],
    ] as const)
      assert.equal(await pairing({ customers }).redeem(await invite(name, [domain]), OURS), "refused");
    assert.deepEqual(await names(), ["home.invitation", "office.invitation"]);
    assert.deepEqual(logged, ["invitation in vain", "invitation in vain"]);
  }));

test("while the relay cannot take somebody in, the invitation still counts", () =>
  inRelay(async ({ invite, pairing }) => {
    const token = await invite();
    assert.equal(await pairing({ renew: async () => {} }).redeem(token, OURS), "later");
    assert.deepEqual(await pairing().redeem(token, OURS), HOME);
  }));

test("a token that is none is refused, without a folder too, and files that cannot be read are passed by", () =>
  inRelay(async ({ folder, invite, pairing, logged }) => {
    assert.equal(await pairing().redeem("A".repeat(22), OURS), "refused");
    const token = await invite();
    await writeFile(join(folder, "a.invitation"), "name: [\n");
    assert.equal(await pairing().redeem("A".repeat(22), OURS), "refused");
    assert.deepEqual(await pairing().redeem(token, OURS), HOME);
    assert.deepEqual(logged, ["invitation cannot be read", "invitation cannot be read"]);
  }));

test("invitations that are over are cleared away after a day", () =>
  inRelay(async ({ invite, pairing, pass, names }) => {
    await invite();
    await pass(10 * MINUTE + 86_400_000 + 1);
    await pairing().redeem("A".repeat(22), OURS);
    assert.deepEqual(await names(), []);
  }));
