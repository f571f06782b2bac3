import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { bucketChecks, bucketVerdict } from "../../cmd/doctor/bucket.ts";
import type { Patient } from "../../cmd/doctor/patient.ts";
import { type Clock, systemClock } from "../../src/platform/clock.ts";
import { seeded } from "../spool/support.ts";
import { KEYS, type ObjectStore, startObjectStore } from "../support/objectstore.ts";

let store: ObjectStore;
before(async () => {
  store = await startObjectStore();
});
after(() => store.stop());
beforeEach(() => {
  store.fate = () => "done";
});

const keys = { accessKeyId: KEYS.id, secretAccessKey: KEYS.secret };
const tools = { clock: systemClock, random: seeded(1), credentials: async () => keys };
/** Patience is over at once. */
const hasty = (): Clock => {
  let time = 0;
  return { ...systemClock, steady: () => (time += 60_000) };
};
const said = async (place: Partial<ObjectStore["place"]> = {}, more: Partial<typeof tools> = {}) => {
  const { status, detail, mend, exit } = await bucketVerdict(
    { ...store.place, ...place },
    { ...tools, ...more },
  );
  const text = [status, detail.replace(/(?<=\/)doctor-[0-9a-f]{16}|127\.0\.0\.1:\d+/g, "…"), mend, exit];
  return text.filter((each) => each !== undefined).join(" | ");
};

describe("odmr doctor, of the bucket that large bodies go to,", () => {
  it("is content where an object can be written, read and removed, and leaves none behind", async () => {
    store.asked.length = 0;
    assert.equal(await said({ prefix: "relay/" }), "ok | an object was written, read and removed");
    assert.deepEqual(
      store.asked.map(({ method, key }) => `${method} ${key.replace(/[0-9a-f]{16}$/, "…")}`),
      ["PUT relay/doctor-…", "GET relay/doctor-…", "DELETE relay/doctor-…"],
    );
    assert.deepEqual([...store.objects.keys()], []);
  });

  for (const [method, what, right] of [
    ["PUT", "written", "s3:PutObject"],
    ["GET", "read", "s3:GetObject"],
    ["DELETE", "removed", "s3:DeleteObject"],
  ])
    it(`says which right is missing where none can be ${what}`, async () => {
      store.fate = (asked) => (asked.method === method ? { status: 403, code: "AccessDenied" } : "done");
      assert.equal(
        await said(),
        `fail | no object can be ${what}: s3://mail/… at …: AccessDenied by order & law | let its keys do ${right} on mail, and see that they are the right ones (credentials= in spool:) | 77`,
      );
      store.objects.clear();
    });

  it("says that there is no such bucket, that the store is full, and that it does not answer", async () => {
    assert.match(
      await said({ bucket: "nobody" }),
      /there is no such bucket \| make the bucket nobody, or name another/,
    );
    store.fate = () => ({ status: 507, code: "QuotaExceeded" });
    assert.match(
      await said(),
      /QuotaExceeded by order & law \| make room in the store, or raise its quota \| 7\d$/,
    );
    store.fate = () => ({ status: 503, code: "SlowDown" });
    assert.match(
      await said({}, { clock: hasty() }),
      /the store does not answer: status 503 \| see that the store at http:\S+ runs, and that nothing is between \| 75$/,
    );
  });

  it("names a clock that is wrong, before and when the store minds it", async () => {
    const off = (ms: number): Clock => ({ ...systemClock, now: () => Date.now() + ms });
    assert.equal(
      await said({}, { clock: off(5 * 60_000) }),
      "warn | an object was written, read and removed; this clock is 5m before the store's | let systemd-timesyncd or chrony set the clock",
    );
    store.fate = () => ({ status: 403, code: "RequestTimeTooSkewed" });
    assert.match(
      await said({}, { clock: off(-3_700_000) }),
      /^fail \| no object can be written: .*RequestTimeTooSkewed.*; this clock is 1h behind the store's \| let systemd/,
    );
  });

  it("looks where the spool's address names one, and nowhere else", () => {
    const subjects = (spool: string) =>
      bucketChecks[0]!.looks({ config: { spool } } as Patient).map(({ subject }) => subject);
    assert.deepEqual(subjects("/var/lib/odmr/spool.db"), []);
    assert.deepEqual(subjects("postgres://odmr@db.test/odmr"), []);
    assert.deepEqual(
      subjects("postgres://odmr@db.test/odmr?bodies=s3://mail/relay&endpoint=https://s3.test"),
      ["s3://mail/relay/ at s3.test"],
    );
  });
});
