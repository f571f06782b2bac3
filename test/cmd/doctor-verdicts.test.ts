/** What `odmr doctor` makes of what it sees: each verdict, for the good and for each kind of bad. */
import assert from "node:assert/strict";
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from "node:crypto";
import { describe, it } from "node:test";
import {
  certificatesIn,
  chainVerdict,
  datesVerdict,
  listVerdict,
  nameVerdict,
} from "../../cmd/doctor/certificate.ts";
import type { Verdict } from "../../cmd/doctor/check.ts";
import { clockVerdict } from "../../cmd/doctor/clock.ts";
import { privacyOf } from "../../cmd/doctor/files.ts";
import { type Door, listenerVerdict, shownVerdict } from "../../cmd/doctor/listeners.ts";
import { hostVerdict, mxVerdict, reverseOf, reverseVerdict } from "../../cmd/doctor/names.ts";
import { relayVerdict } from "../../cmd/doctor/openrelay.ts";
import { providerVerdict, smarthostVerdict } from "../../cmd/doctor/peers.ts";
import { dkimVerdict, dmarcVerdict, listedVerdict, spfVerdict } from "../../cmd/doctor/sender.ts";
import { fileSystemVerdict, spaceVerdict, syncVerdict } from "../../cmd/doctor/spool.ts";
import { policyVerdict, recordVerdict, tlsaVerdict } from "../../cmd/doctor/transport.ts";
import { turnVerdict } from "../../cmd/doctor/turns.ts";
import type { TurnRecord } from "../../src/spool/records.ts";
import { certs } from "../support/certs.ts";

const said = ({ status, detail }: Verdict): string => `${status}: ${detail}`;

/** Every verdict but a good one says what to do. */
function verdicts(name: string, table: () => Readonly<Record<string, Verdict>>): void {
  it(name, () => {
    for (const [expected, verdict] of Object.entries(table())) {
      assert.equal(said(verdict), expected);
      if (verdict.status === "warn" || verdict.status === "fail") assert.ok(verdict.mend, expected);
    }
  });
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 5, 1);

describe("files", () => {
  const file = (mode: number, uid = 7, gid = 7) => ({ mode, uid, gid, folder: false });
  const mail = { name: "odmr", uid: 7, gid: 8 };
  const key = { file: "/k", what: "key" };
  verdicts("are their owner's alone", () => ({
    "ok: its owner's alone": privacyOf(key, file(0o600), mail),
    "warn: its group may read this key": privacyOf(key, file(0o640), undefined),
    "fail: its group may change this key": privacyOf(key, file(0o660), undefined),
    "fail: everybody on this machine may read or change this key": privacyOf(key, file(0o604), undefined),
    "fail: odmr, whom odmr becomes, cannot read this key": privacyOf(key, file(0o600, 0, 0), mail),
  }));
  it("are readable by their group too, where odmr is in it", () =>
    assert.equal(privacyOf(key, file(0o640, 0, 8), mail).status, "warn"));
});

describe("the spool's disk", () => {
  const GIB = 2 ** 30;
  const room = { type: 0xef53, free: 100 * GIB + 5, size: 200 * GIB, files: 1000 };
  const demand = { largest: 50 * 2 ** 20, owed: 0 };
  verdicts("has room, or has not", () => ({
    "ok: 100GiB are free": spaceVerdict(room, demand),
    "fail: no more files can be made (inodes)": spaceVerdict({ ...room, files: 0 }, demand),
    "fail: 99MiB are free: not enough for two messages of the largest size": spaceVerdict(
      { ...room, free: 99 * 2 ** 20 },
      demand,
    ),
    "warn: 900MiB are free": spaceVerdict({ ...room, free: 900 * 2 ** 20 }, demand),
    "warn: 100GiB are free; customers may still fill 101GiB": spaceVerdict(room, {
      ...demand,
      owed: 101 * GIB,
    }),
  }));
  verdicts("is one that keeps what is written, or is not", () => ({
    "ok: on a disk of this machine": fileSystemVerdict(0xef53),
    "fail: it is in memory (tmpfs), and gone at the next start": fileSystemVerdict(0x01021994),
    "fail: it is on a network file system (NFS), where SQLite's log is not safe": fileSystemVerdict(0x6969),
    "warn: it is in a container's own layer (overlay), and gone with the container":
      fileSystemVerdict(0x794c7630),
  }));
  verdicts("syncs as fast as a disk does", () => ({
    "ok: 700 syncs a second": syncVerdict(700.4),
    "warn: 12 syncs a second: slow; each commit waits for one": syncVerdict(12),
    "warn: 900000 syncs a second: more than any disk can": syncVerdict(900_000),
  }));
});

describe("certificates", () => {
  const chain = (text: string) => certificatesIn(text);
  const leaf = (text: string) => chain(text)[0];
  verdicts("are within their dates", () => ({
    "ok: valid until 2099-01-01": datesVerdict(chain(certs().server.certificate), NOW),
    "fail: it expired on 2020-02-01": datesVerdict(chain(certs().expired.certificate), NOW),
    "warn: it expires on 2020-02-01, in 1 day": datesVerdict(
      chain(certs().expired.certificate),
      Date.UTC(2020, 0, 30, 12),
    ),
    "fail: it is valid from 2020-01-01 on": datesVerdict(
      chain(certs().server.certificate),
      Date.UTC(2019, 11, 31),
    ),
  }));
  it("end with the first of their chain", () => {
    const both = chain(`${certs().server.certificate}${certs().expired.certificate}`);
    assert.equal(datesVerdict(both, NOW).status, "fail");
  });
  verdicts("have our name", () => ({
    "ok: for relay.test": nameVerdict(leaf(certs().server.certificate), "relay.test"),
    "fail: it is for other.test, and not for relay.test": nameVerdict(
      leaf(certs().wrongName.certificate),
      "relay.test",
    ),
  }));
  it("lead to a CA that others know, or say what houses need", () => {
    const ca = chain(certs().ca);
    const { server, selfSigned } = certs();
    const pin = (pem: string) =>
      `sha256:${createHash("sha256").update(new X509Certificate(pem).raw).digest("hex")}`;
    const table: readonly (readonly [Verdict, string])[] = [
      [chainVerdict(chain(server.certificate), ca), "ok: signed by a public CA"],
      [chainVerdict(chain(server.certificate + certs().ca), ca), "ok: signed by a public CA"],
      [
        chainVerdict(chain(server.certificate + certs().ca), []),
        "warn: Test CA is no public CA; houses must name it (ca:), or pin",
      ],
      [
        chainVerdict(chain(server.certificate), []),
        "warn: Test CA signed it, which is neither in the file nor a public CA of this machine",
      ],
      [
        chainVerdict(chain(selfSigned.certificate), ca),
        `warn: it is self-signed; houses need its pin: ${pin(selfSigned.certificate)}`,
      ],
      [
        chainVerdict(chain(server.certificate + certs().otherCa), ca),
        "fail: Another CA is in the file, and did not sign relay.test before it",
      ],
    ];
    for (const [verdict, expected] of table) assert.equal(said(verdict), expected);
  });
  it("are vouched for by a list that is in date", async () => {
    const { ca, crl, staleCrl, otherCrl } = certs();
    assert.equal(said(await listVerdict(crl, ca, NOW)), "ok: holds until 2099-01-01");
    assert.match(said(await listVerdict(staleCrl, ca, NOW)), /^fail: out of date since 2020-02-01/);
    assert.equal(
      said(await listVerdict(staleCrl, ca, Date.UTC(2020, 0, 31, 12))),
      "warn: out of date on 2020-02-01",
    );
    assert.equal((await listVerdict(otherCrl, ca, NOW)).status, "fail");
  });
});

describe("names in DNS", () => {
  verdicts("lead to this machine", () => ({
    "ok: 192.0.2.7: of this machine": hostVerdict(["192.0.2.7"], ["127.0.0.1", "192.0.2.7"]),
    "ok: 192.0.2.7; this machine is behind another address, so that cannot be compared": hostVerdict(
      ["192.0.2.7"],
      ["127.0.0.1", "10.0.0.2"],
    ),
    "warn: 2001:db8::1 is not this machine's (192.0.2.7)": hostVerdict(
      ["192.0.2.7", "2001:db8::1"],
      ["192.0.2.7", "::1"],
    ),
    "fail: it has no address in DNS": hostVerdict([], ["192.0.2.7"]),
  }));
  it("are asked for in reverse", () => {
    assert.equal(reverseOf("192.0.2.7"), "7.2.0.192.in-addr.arpa");
    assert.equal(
      reverseOf("2001:db8::567:89ab"),
      "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    );
    assert.equal(reverseOf("::1"), `1.${"0.".repeat(31)}ip6.arpa`);
  });
  const host = "relay.test";
  const of = (...names: string[]) => names;
  verdicts("lead back", () => ({
    "ok: 192.0.2.7 leads back to relay.test": reverseVerdict("192.0.2.7", {
      names: of(host),
      leading: of(host),
      host,
    }),
    "fail: 192.0.2.7 has no reverse name": reverseVerdict("192.0.2.7", { names: [], leading: [], host }),
    "warn: 192.0.2.7 is called vps7.test, and not relay.test": reverseVerdict("192.0.2.7", {
      names: of("vps7.test"),
      leading: of("vps7.test"),
      host,
    }),
    "fail: 192.0.2.7 is called gone.test, which does not lead to it": reverseVerdict("192.0.2.7", {
      names: of("gone.test"),
      leading: [],
      host,
    }),
  }));
  const ours = { at: "relay.test", ours: ["192.0.2.7"], own: [] };
  const mx = (name: string, ...addresses: string[]) => ({ priority: 10, host: name, addresses });
  verdicts("bring our domains' mail to us", () => ({
    "ok: 10 relay.test": mxVerdict([mx("relay.test", "192.0.2.7")], ours),
    "ok: 10 mail.test": mxVerdict([mx("mail.test", "192.0.2.7")], ours),
    "ok: 10 relay.test, 10 b.test; of these b.test is another machine": mxVerdict(
      [mx("relay.test"), mx("b.test", "192.0.2.9")].map((each, i) =>
        i === 0 ? mx("relay.test", "192.0.2.7") : each,
      ),
      ours,
    ),
    "fail: its mail goes to 10 b.test, and not to relay.test": mxVerdict([mx("b.test", "192.0.2.9")], ours),
    "fail: it has no MX: no mail comes to relay.test": mxVerdict([], ours),
    "warn: it has no MX, and its own address leads to relay.test": mxVerdict([], {
      ...ours,
      own: ["192.0.2.7"],
    }),
    "fail: it says that it takes no mail (null MX)": mxVerdict([mx("")], ours),
    "warn: gone.test has no address": mxVerdict([mx("relay.test", "192.0.2.7"), mx("gone.test")], ours),
  }));
});

describe("what DNS says of mail that we send", () => {
  const record = "v=spf1 a:relay.test -all";
  verdicts("SPF", () => ({
    "ok: 192.0.2.7 may send": spfVerdict([record], "relay.test", [{ ip: "192.0.2.7", result: "pass" }]),
    "fail: 192.0.2.7: fail": spfVerdict([record], "relay.test", [{ ip: "192.0.2.7", result: "fail" }]),
    "warn: 192.0.2.7: softfail": spfVerdict([record], "relay.test", [
      { ip: "192.0.2.7", result: "softfail" },
    ]),
    "fail: it has no SPF record": spfVerdict([], "relay.test"),
    "fail: it has 2 SPF records, and so none that counts": spfVerdict([record, record], "relay.test"),
    "fail: relay.test has no address that could be in it": spfVerdict([record], "relay.test"),
    "ok: v=spf1 a:relay.test -all; whether the smarthost is among them cannot be known here": spfVerdict(
      [record],
      undefined,
    ),
  }));
  it("SPF's missing record is written out", () => {
    assert.equal(spfVerdict([], "relay.test").mend, 'make the TXT record "v=spf1 a:relay.test -all"');
    assert.equal(spfVerdict([], "2001:db8::1").mend, 'make the TXT record "v=spf1 ip6:2001:db8::1 -all"');
    assert.match(spfVerdict([], undefined).mend ?? "", /smarthost's provider/);
  });
  const { publicKey: key } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const other = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  const p = (of: typeof key, type: "spki" | "pkcs1" = "spki") =>
    of.export({ type, format: "der" }).toString("base64");
  verdicts("DKIM", () => ({
    "ok: the key in DNS is ours": dkimVerdict([`v=DKIM1; k=rsa; p=${p(key)}`], key),
    "fail: there is no key in DNS": dkimVerdict(["something else"], key),
    "fail: the key in DNS is another than the one that signs": dkimVerdict([`p=${p(other)}`], key),
    "fail: the key in DNS is revoked (p is empty)": dkimVerdict(["v=DKIM1; p="], key),
    "fail: there are 2 keys in DNS, where one belongs": dkimVerdict([`p=${p(key)}`, `p=${p(other)}`], key),
    "warn: the key says that it is only tested (t=y)": dkimVerdict([`t=y:s; p=${p(key)}`], key),
    "warn: the key has 1024 bits only": dkimVerdict([`p=${p(other)}`], other),
  }));
  it("DKIM's key stands there in either form, in pieces or not, and a missing one is written out", () => {
    assert.equal(dkimVerdict([`v=DKIM1; p=${p(key, "pkcs1")}`], key).status, "ok");
    assert.equal(dkimVerdict([`p=${p(key).replace(/.{60}/g, "$& ")}`], key).status, "ok");
    assert.equal(dkimVerdict([], key).mend, `make the TXT record "v=DKIM1; k=rsa; p=${p(key)}"`);
  });
  const listing = (...answers: string[]) => [{ address: "192.0.2.7", answers }];
  verdicts("blocklists", () => ({
    "ok: we are not on it": listedVerdict(listing(), "list.test"),
    "fail: 192.0.2.7 is listed: others refuse its mail": listedVerdict(listing("127.0.0.2"), "list.test"),
    "warn: it refuses to answer (127.255.255.254)": listedVerdict(listing("127.255.255.254"), "list.test"),
  }));
  verdicts("DMARC", () => ({
    "ok: p=reject, at x.test": dmarcVerdict(["v=DMARC1; p=reject; rua=mailto:a@x.test"], "x.test"),
    "ok: p=none, at x.test: it is only watched": dmarcVerdict(["v=DMARC1;p=none"], "x.test"),
    "warn: it has no DMARC policy; large receivers ask for one": dmarcVerdict([], "x.test"),
    "fail: 2 DMARC policies at x.test, and so none that counts": dmarcVerdict(
      ["v=DMARC1; p=none", "v=DMARC1"],
      "x.test",
    ),
    "fail: a DMARC policy without a p that is understood: v=DMARC1; p=maybe": dmarcVerdict(
      ["v=DMARC1; p=maybe"],
      "x.test",
    ),
  }));
});

describe("what senders ask before they bring mail", () => {
  const shown = (pem = certs().server.certificate) => ({
    hostname: "relay.test",
    leaf: certificatesIn(pem)[0],
  });
  verdicts("MTA-STS", () => ({
    "skipped: no policy: senders may bring mail in the clear, if somebody makes them": recordVerdict([]),
    "fail: 2 records, and so none that counts": recordVerdict(["v=STSv1; id=1", "v=STSv1; id=2"]),
    "ok: mode enforce: relay.test": policyVerdict({ mode: "enforce", mx: ["relay.test"] }, shown()),
    "ok: mode testing: *.test": policyVerdict({ mode: "testing", mx: ["*.test"] }, shown()),
    "ok: mode none: it demands nothing": policyVerdict({ mode: "none" }, shown()),
    "fail: its mx (mx.test, *.relay.test) leaves relay.test out": policyVerdict(
      { mode: "enforce", mx: ["mx.test", "*.relay.test"] },
      shown(),
    ),
    "warn: its mx (mx.test) leaves relay.test out": policyVerdict(
      { mode: "testing", mx: ["mx.test"] },
      shown(),
    ),
    "fail: it demands TLS, and there is no certificate here": policyVerdict(
      { mode: "enforce", mx: ["relay.test"] },
      { ...shown(), leaf: undefined },
    ),
    "fail: it demands a certificate for relay.test; it is for other.test, and not for relay.test":
      policyVerdict({ mode: "enforce", mx: ["relay.test"] }, shown(certs().wrongName.certificate)),
  }));
  it("TLSA records fit our certificate, its key, or whoever signed it", () => {
    const chain = certificatesIn(certs().server.certificate + certs().ca);
    const [leaf, ca] = chain as [X509Certificate, X509Certificate];
    const hash = (bytes: Uint8Array, how = "sha256") => createHash(how).update(bytes).digest();
    const spki = createPublicKey(createPrivateKey(certs().server.key)).export({
      type: "spki",
      format: "der",
    });
    const record = (usage: number, selector: number, matchingType: number, certificate: Uint8Array) => ({
      ...{ usage, selector, matchingType, certificate },
    });
    const good = [
      record(3, 1, 1, hash(spki)),
      record(3, 0, 1, hash(leaf.raw)),
      record(3, 1, 2, hash(spki, "sha512")),
      record(3, 0, 0, leaf.raw),
      record(2, 0, 1, hash(ca.raw)),
    ];
    for (const each of good)
      assert.equal(said(tlsaVerdict([each], chain)), "ok: 1 of 1 record fits; counts with DNSSEC only");
    const stale = record(3, 1, 1, hash(ca.raw));
    assert.match(said(tlsaVerdict([good[0]!, stale], chain)), /^ok: 1 of 2 records fit \(the others/);
    const none = tlsaVerdict([stale], chain);
    assert.match(said(none), /^fail: no TLSA record fits/);
    assert.ok(none.mend?.startsWith(`make the record TLSA 3 1 1 ${hash(spki).toString("hex")}`));
    assert.equal(tlsaVerdict([record(1, 1, 1, hash(spki))], chain).status, "warn");
    assert.equal(tlsaVerdict([good[0]!], []).status, "fail");
    assert.equal(tlsaVerdict([], chain).status, "skipped");
  });
});

describe("listeners", () => {
  const door: Door = {
    service: "intake",
    address: { host: "192.0.2.7", port: 25 },
    tls: "starttls",
    networks: [],
    opener: "odmr serve",
  };
  const hearing = (heard: Parameters<typeof listenerVerdict>[1]["heard"], interfaces = ["192.0.2.7"]) => ({
    ...{ hostname: "relay.test", heard, interfaces },
  });
  const greeted = (line: string) => hearing({ type: "greeting", line });
  verdicts("are ours, another's, or nobody's", () => ({
    "ok: answers, and is ours": listenerVerdict(door, greeted("220 relay.test ESMTP")),
    "fail: another program answers: 220 relay.test ESMTP Postfix": listenerVerdict(
      door,
      greeted("220 relay.test ESMTP Postfix"),
    ),
    "warn: nobody answers": listenerVerdict(door, hearing({ type: "nobody" })),
    "fail: nobody answers, and 192.0.2.7 is no address of this machine": listenerVerdict(
      door,
      hearing({ type: "nobody" }, ["192.0.2.8"]),
    ),
    "skipped: its networks leave this machine out": listenerVerdict(door, hearing({ type: "shut" })),
    "fail: the reply came too slowly": listenerVerdict(
      door,
      hearing({ type: "trouble", why: "the reply came too slowly" }),
    ),
  }));
  verdicts("show the certificate that the file holds", () => ({
    "ok: it shows the certificate of the file": shownVerdict(
      { fingerprint: "ab", notAfter: NOW + DAY },
      "ab",
      NOW,
    ),
    "warn: it shows another certificate than the file holds": shownVerdict(
      { fingerprint: "cd", notAfter: NOW + DAY },
      "ab",
      NOW,
    ),
    "fail: the certificate that it shows has expired": shownVerdict(
      { fingerprint: "cd", notAfter: NOW },
      "ab",
      NOW,
    ),
    "fail: it offers no TLS": shownVerdict(undefined, "ab", NOW),
  }));
  verdicts("relay for nobody", () => ({
    "ok: 24 ways to relay were refused": relayVerdict({ tried: 24, leaving: [], odd: [] }, "x.test"),
    'ok: 22 ways to relay were refused; <"a@b"@x.test> would go to the customer of x.test, as addresses of it':
      relayVerdict(
        { tried: 24, leaving: [], odd: ['<> → <"a@b"@x.test>', '<c@d.test> → <"a@b"@x.test>'] },
        "x.test",
      ),
    "fail: it takes mail for strangers: <> → <v@y.test>": relayVerdict(
      { tried: 24, leaving: ["<> → <v@y.test>"], odd: [] },
      "x.test",
    ),
  }));
});

describe("turns", () => {
  const terms = { now: NOW, expected: DAY, late: 15 * DAY, who: "it" };
  const turn = (state: TurnRecord["state"], ago: number, why?: string): TurnRecord => ({
    ...{ id: "1", side: "provider", customer: "home", peer: "192.0.2.9", state, started: NOW - ago },
    ...{ delivered: 0, deferred: 0, refused: 0, octets: 0 },
    ...(state !== "running" && { ended: NOW - ago }),
    ...(why !== undefined && { why }),
  });
  const last = (good: TurnRecord | undefined, any = good) => ({ any, good });
  const lost = turn("failed", MINUTE, "the line was lost");
  verdicts("are as recent as they should be", () => ({
    "ok: last 5m ago": turnVerdict(last(turn("done", 5 * MINUTE)), terms),
    "ok: on the line now": turnVerdict(last(turn("running", DAY * 3)), terms),
    "warn: it has never called": turnVerdict(last(undefined), terms),
    "warn: it was never called": turnVerdict(last(undefined), { ...terms, who: "the account" }),
    "warn: last 2d ago": turnVerdict(last(turn("done", 2 * DAY)), terms),
    "fail: last 16d ago; its mail will expire": turnVerdict(last(turn("done", 16 * DAY)), terms),
    "warn: last 5m ago; the last try failed: the line was lost": turnVerdict(
      last(turn("done", 5 * MINUTE), lost),
      terms,
    ),
    "fail: no turn ever went well; the last try failed: the line was lost": turnVerdict(
      last(undefined, lost),
      terms,
    ),
  }));
});

describe("peers", () => {
  const met = {
    type: "known",
    offers: ["ATRN"],
    tls: "TLSv1.3",
    notAfter: NOW + 90 * DAY,
    host: "relay.test",
  } as const;
  verdicts("take our call", () => ({
    "ok: it takes our call; TLSv1.3": providerVerdict(met, NOW),
    "fail: it takes our call, and does not offer ATRN: it is no ODMR provider": providerVerdict(
      { ...met, offers: ["STARTTLS"] },
      NOW,
    ),
    "warn: it takes our call; its certificate ends on 2026-06-06": smarthostVerdict(
      { ...met, notAfter: NOW + 5 * DAY },
      NOW,
    ),
    "warn: it takes our call; the line is in the clear": smarthostVerdict(
      { ...met, tls: undefined, notAfter: undefined },
      NOW,
    ),
    "ok: it takes our call; in the clear": smarthostVerdict(
      { ...met, tls: undefined, notAfter: undefined, host: "127.0.0.1" },
      NOW,
    ),
    "fail: refused": providerVerdict({ type: "trouble", why: "refused", fault: "unreachable" }, NOW),
  }));
  it("that refuse our login have a status of their own", () =>
    assert.equal(providerVerdict({ type: "trouble", why: "535", fault: "refused" }, NOW).exit, 77));
});

describe("the clock", () => {
  verdicts("is right, or wrong", () => ({
    "skipped: nothing was named to compare it with": clockVerdict(undefined, -DAY),
    "ok: 40 ms before the time server": clockVerdict(40, 0),
    "warn: 9s behind the time server": clockVerdict(-9_000, 0),
    "fail: 1h before the time server": clockVerdict(HOUR, 0),
    "fail: the spool has seen a time 2d from now: the clock went back": clockVerdict(3, 2 * DAY),
  }));
});
