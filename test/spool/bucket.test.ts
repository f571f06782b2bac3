import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { systemClock, type Timer } from "../../src/platform/clock.ts";
import { Bucket, Missing } from "../../src/spool/objects/bucket.ts";
import { inFile } from "../../src/spool/objects/credentials.ts";
import { Objects } from "../../src/spool/objects/objects.ts";
import { keptPlace, parsePlace, samePlace, shownPlace } from "../../src/spool/objects/place.ts";
import { Room } from "../../src/spool/objects/room.ts";
import { KEYS, type ObjectStore, startObjectStore } from "../support/objectstore.ts";
import { HandClock, octets } from "./support.ts";

const MB = 1024 * 1024;
const PART = 5 * MB;
/** Octets of which no two parts are alike. */
const PATTERN = new Uint8Array(65_521).map((_, i) => (i * i) >> 3);
const bytes = (length: number) => new Uint8Array(Buffer.alloc(length, PATTERN));

/** A clock whose short waits, between two tries, are over at once; the long ones are for who passes time. */
class HurriedClock extends HandClock {
  override after(ms: number, ring: () => void): Timer {
    if (ms > 10_000) return super.after(ms, ring);
    const timer = setImmediate(() => {
      this.sleep(ms);
      ring();
    });
    return { stop: () => clearImmediate(timer) };
  }
}

describe("a bucket", () => {
  let store: ObjectStore;
  let clock: HurriedClock;
  before(async () => {
    store = await startObjectStore();
  });
  after(() => store.stop());
  beforeEach(() => {
    clock = new HurriedClock();
    store.fate = () => "done";
    store.objects.clear();
    store.asked.length = 0;
  });

  const bucket = (secret = KEYS.secret, place = store.place) =>
    new Bucket({
      ...{ place, clock },
      credentials: async () => ({ accessKeyId: KEYS.id, secretAccessKey: secret }),
    });
  const objects = (room = new Room(256 * MB, clock)) =>
    new Objects({ bucket: bucket(), prefix: "relay/1/", room });
  const asked = () =>
    store.asked.map(({ method, query }) => `${method} ${[...query.keys()].join(" ")}`.trim());

  async function sent(shelf: Objects, id: string, body: Uint8Array, piece = 300_000): Promise<string> {
    const growing = shelf.begin(id);
    for (let at = 0; at < body.length; at += piece) await growing.write(body.slice(at, at + piece));
    await growing.finish();
    return growing.name;
  }

  it("takes a body of less than a part in one request, and one of more in parts", async () => {
    const [small, large] = [bytes(200_000), bytes(2 * PART + 1)];
    const shelf = objects();
    assert.equal(await sent(shelf, "a", small), "s3/a");
    assert.deepEqual(asked(), ["PUT"]);
    store.asked.length = 0;
    await sent(shelf, "b", large);
    assert.deepEqual(asked(), [
      "POST uploads",
      ...["PUT partNumber uploadId", "PUT partNumber uploadId", "PUT partNumber uploadId"],
      "POST uploadId",
    ]);
    assert.deepEqual(
      store.asked.map(({ octets }) => octets).filter((n) => n > 1000 || n === 1),
      [PART, PART, 1],
    );
    assert.deepEqual([...store.objects.keys()], ["relay/1/a", "relay/1/b"]);
    assert.ok(Buffer.from(large).equals(store.objects.get("relay/1/b") ?? Buffer.alloc(0)));
    for (const [name, body] of [
      ["s3/a", small],
      ["s3/b", large],
    ] as const)
      assert.ok(Buffer.from(await octets(shelf.read(name))).equals(body));
    assert.deepEqual(await Array.fromAsync(shelf.names()), [["s3/a", "s3/b"]]);
  });

  it("is asked again for what it did not answer, and what was done twice is done once", async () => {
    const body = bytes(PART + 7);
    const shelf = objects();
    for (const fate of ["lost before", "lost after", { status: 503, code: "SlowDown" }] as const) {
      const seen = new Set<string>();
      store.fate = ({ method, query }) => {
        const what = `${method} ${[...query.keys()]} ${query.get("partNumber")}`;
        if (seen.has(what)) return "done";
        seen.add(what);
        return fate;
      };
      await sent(shelf, "a", body);
      assert.ok(Buffer.from(await octets(shelf.read("s3/a"))).equals(body));
      await shelf.unlink("s3/a");
      assert.deepEqual([...store.objects.keys()], []);
    }
    // A lost answer to "begin" leaves an upload that nobody knows: it is what a sweep is for.
    store.fate = () => "done";
    assert.equal(store.uploads.size, 1);
    await shelf.abandon("s3/a");
    assert.equal(store.uploads.size, 1);
    await shelf.abandon("s3/b");
    assert.equal(store.uploads.size, 0);
  });

  it("that does not answer is told after some seconds, and the next time at once", async () => {
    store.fate = () => "lost before";
    const away = {
      name: "SpoolError",
      fault: "busy",
      message: /^s3:\/\/mail\/relay\/1\/a at 127\.0\.0\.1:\d+: the store does not answer: /,
    };
    const shelf = objects();
    await assert.rejects(sent(shelf, "a", bytes(200_000)), away);
    const tries = store.asked.length;
    assert.ok(tries > 3, String(tries));
    await assert.rejects(sent(shelf, "a", bytes(200_000)), away);
    assert.equal(store.asked.length, tries + 1);
    store.fate = () => "done";
    await sent(shelf, "a", bytes(200_000));
  });

  it("leaves nothing of a body that was given up, nor of one that failed on its way", async () => {
    const shelf = objects();
    const given = shelf.begin("a");
    for (let n = 0; n < 7; n++) await given.write(bytes(MB));
    await given.discard();
    const looked = shelf.begin("b");
    await looked.write(bytes(200_000));
    assert.equal((await octets(looked.content())).length, 200_000);
    await looked.discard();
    const failing = shelf.begin("c");
    store.fate = ({ query }) =>
      query.get("partNumber") === "2" ? { status: 400, code: "BadDigest" } : "done";
    for (let n = 0; n < 12; n++) await failing.write(bytes(MB));
    await assert.rejects(failing.finish(), { fault: "io", message: /BadDigest by order & law$/ });
    await failing.discard();
    assert.deepEqual([[...store.objects.keys()], store.uploads.size], [[], 0]);
  });

  it("keeps of a body no more than a part and what comes while it is sent", async () => {
    const room = new Room(256 * MB, clock);
    let [taken, most] = [0, 0];
    const [take, give] = [room.take.bind(room), room.give.bind(room)];
    room.take = (n) => {
      taken += n;
      most = Math.max(most, taken);
      take(n);
    };
    room.give = (n) => {
      taken -= n;
      give(n);
    };
    await sent(objects(room), "a", bytes(2 * PART), 100_000);
    assert.equal(taken, 0);
    assert.ok(most <= PART + MB, String(most));
  });

  it("stops peers where many bodies fill memory, and gives one up that waits too long", async () => {
    const room = new Room(3 * MB, clock);
    const shelf = objects(room);
    const [first, second] = [shelf.begin("a"), shelf.begin("b")];
    assert.equal(first.write(bytes(2 * MB)), undefined);
    const waiting = second.write(bytes(2 * MB));
    assert.ok(waiting instanceof Promise);
    await first.finish();
    await waiting;
    await second.finish();
    const [third, fourth] = [shelf.begin("c"), shelf.begin("d")];
    assert.equal(third.write(bytes(2 * MB)), undefined);
    const endless = fourth.write(bytes(2 * MB));
    clock.pass(30_000);
    await endless;
    await assert.rejects(fourth.finish(), { fault: "busy", message: /too many large messages/ });
    await third.finish();
    assert.deepEqual([...store.objects.keys()], ["relay/1/a", "relay/1/b", "relay/1/c"]);
  });

  it("says what it refuses, by what can be done about it", async () => {
    await assert.rejects(bucket("wrong").put("a", bytes(9)), {
      fault: "denied",
      message: /SignatureDoesNotMatch/,
    });
    await assert.rejects(bucket(KEYS.secret, { ...store.place, bucket: "nowhere" }).put("a", bytes(9)), {
      ...{
        fault: "io",
        message: `s3://nowhere/a at ${new URL(store.endpoint).host}: there is no such bucket`,
      },
    });
    await assert.rejects(bucket().range("none", 0, 9), Missing);
    await assert.rejects(octets(objects().read("s3/none")), {
      fault: "io",
      message: /relay\/1\/none.* is not there$/,
    });
    store.fate = () => ({ status: 403, code: "XMinioStorageFull" });
    await assert.rejects(bucket().put("a", bytes(9)), { fault: "full" });
  });

  it("is asked with the keys that are there now, after it refused others", async () => {
    let secret = "old";
    const changing = new Bucket({
      ...{ place: store.place, clock: systemClock },
      credentials: async () => ({ accessKeyId: KEYS.id, secretAccessKey: secret }),
    });
    await assert.rejects(changing.put("a", bytes(9)), { fault: "denied" });
    secret = KEYS.secret;
    await changing.put("a", bytes(9));
    assert.deepEqual([...store.objects.keys()], ["a"]);
  });
});

describe("a place for bodies", () => {
  const server = { endpoint: undefined, region: undefined };

  it("is read, shown and read again", () => {
    const place = parsePlace("s3://mail/relay/x/", { ...server, endpoint: "https://s3.example.net:9000/" });
    assert.deepEqual(place, {
      ...{ bucket: "mail", prefix: "relay/x/", endpoint: "https://s3.example.net:9000", region: "us-east-1" },
    });
    assert.ok(samePlace(place, keptPlace(shownPlace(place))));
    const { endpoint } = parsePlace("s3://mail", { ...server, region: "eu-central-1" });
    assert.equal(endpoint, "https://s3.eu-central-1.amazonaws.com");
  });

  it("that is none is told with what to write, and no password", () => {
    const said = (text: string, endpoint?: string) => {
      try {
        parsePlace(text, { ...server, endpoint });
      } catch (error) {
        return String(error);
      }
      return "taken";
    };
    assert.match(
      said("s3://Mail"),
      /"s3:\/\/Mail" is no place for bodies; write bodies=s3:\/\/bucket\/prefix$/,
    );
    assert.match(said("s3://mail"), /write endpoint=https:\/\/s3\.example\.net, or region=eu-central-1$/);
    assert.match(said("s3://mail", "https://id:key@s3.test"), /"https:\/\/s3\.test" is no server/);
  });

  it("has its keys in a file of Amazon's kind", () => {
    const text =
      "# ours\n[default]\naws_access_key_id = A\naws_secret_access_key=S=+/\n\n[ other ]\naws_access_key_id=B\naws_secret_access_key=T\naws_session_token=U\n";
    assert.deepEqual(inFile(text, "default"), { accessKeyId: "A", secretAccessKey: "S=+/" });
    assert.deepEqual(inFile(text, "other"), { accessKeyId: "B", secretAccessKey: "T", sessionToken: "U" });
    assert.equal(inFile(text, "none"), undefined);
  });
});
