import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Authentication, type AuthenticationRules } from "../../src/checks/authentication.ts";
import type { Letter, Verdict } from "../../src/checks/check.ts";
import { authenticationResults } from "../../src/mail/results.ts";
import { replyLine } from "../../src/wire/reply.ts";
import { seeded } from "../spool/support.ts";
import { manualClock } from "../support/clock.ts";
import { keyOf, keyPem, signed } from "../support/signed.ts";
import { lookupIn, txt, type Zone } from "../support/zone.ts";

const mark: AuthenticationRules = {
  spfFail: "mark",
  dmarcReject: "mark",
  dmarcQuarantine: "mark",
  trouble: "mark",
  arcSealers: [],
  size: 1_000_000,
  timeout: 10_000,
};
const obey: Partial<AuthenticationRules> = { dmarcReject: "refuse" };
const now = Date.now();

const spf: Zone = { "world.example TXT": txt("v=spf1 ip4:192.0.2.0/24 -all") };
const reject: Zone = { "_dmarc.world.example TXT": txt("v=DMARC1; p=reject") };
const key = keyOf("world.example");
const plain = "From: Ann <ann@world.example>\r\nSubject: Hello\r\n\r\nText.\r\n";

interface Case {
  readonly from?: string;
  readonly address?: string;
  readonly user?: string;
  readonly rules?: Partial<AuthenticationRules>;
}

function letterOf(text: string, { from = "ann@world.example", address = "192.0.2.7", user }: Case): Letter {
  const bytes = Buffer.from(text, "latin1");
  // In two pieces, so that nothing relies on having all at once.
  const content = () => [bytes.subarray(0, 30), bytes.subarray(30)];
  return {
    id: "1",
    visitor: { address, helo: "mx.world.example", user },
    from,
    recipients: ["bob@example.org"],
    size: bytes.length,
    original: content,
    content,
  };
}

async function examine(text: string, zone: Zone, how: Case = {}): Promise<Verdict> {
  const lookup = lookupIn(zone);
  const check = new Authentication(
    { ...mark, ...how.rules },
    { hostname: "relay.test", lookup, clock: manualClock(now), random: seeded(1) },
  );
  return check.examine(letterOf(text, how));
}

/** `spf=pass dkim=none …`, and the refusal. */
function inShort({ results = [], refusal }: Verdict): string {
  const found = results.map(({ method, result }) => `${method}=${result}`);
  return [...found, ...(refusal ? [replyLine(refusal)] : [])].join(" ");
}

const short = async (...of: Parameters<typeof examine>) => inShort(await examine(...of));

const refused =
  "550 5.7.26 DMARC: the domain in From asks that mail that is not proved to be from it be refused";
const later = "451 4.7.26 Cannot tell now whether this is from whom it says, try again later";

describe("a message at the door", () => {
  it("has what was found out about it in one field", async () => {
    const { results = [] } = await examine(await signed(plain, "world.example"), {
      ...spf,
      ...reject,
      ...key,
    });
    assert.equal(
      authenticationResults("relay.test", results).replace(/header\.b=\S+/, "header.b=…"),
      "Authentication-Results: relay.test;\r\n" +
        "\tspf=pass smtp.mailfrom=ann@world.example;\r\n" +
        "\tdkim=pass header.d=world.example header.s=s1 header.a=rsa-sha256\r\n\t  header.b=…\r\n" +
        "\tdmarc=pass (p=reject) header.from=world.example\r\n",
    );
  });

  it("is not looked at where its sender has logged in", async () => {
    assert.deepEqual(await examine(plain, { ...spf, ...reject }, { user: "home", rules: obey }), {});
  });

  it("passes DMARC by either of SPF and DKIM", async () => {
    const by = { rules: obey };
    assert.equal(await short(plain, { ...spf, ...reject }, by), "spf=pass dkim=none dmarc=pass");
    assert.equal(
      await short(
        await signed(plain, "world.example"),
        { ...spf, ...reject, ...key },
        { ...by, address: "198.51.100.1" },
      ),
      "spf=fail dkim=pass dmarc=pass",
    );
  });

  it("is refused where the domain in From asks for it, and only if the operator wants that", async () => {
    const zone = { ...spf, ...reject };
    const forged = { from: "eve@evil.example", address: "198.51.100.1" };
    assert.equal(await short(plain, zone, forged), "spf=none dkim=none dmarc=fail");
    assert.equal(
      await short(plain, zone, { ...forged, rules: obey }),
      `spf=none dkim=none dmarc=fail ${refused}`,
    );
    assert.equal(
      await short(plain, zone, { ...forged, rules: { dmarcReject: "defer" } }),
      `spf=none dkim=none dmarc=fail ${later}`,
    );
  });

  it("is not refused for a policy of quarantine or none, unless told so", async () => {
    const forged = { address: "198.51.100.1", from: "" };
    for (const [p, act, told] of [
      ["quarantine", {}, ""],
      ["quarantine", { dmarcQuarantine: "refuse" }, ` ${refused}`],
      ["none", { dmarcQuarantine: "refuse" }, ""],
    ] as const) {
      const zone = { "_dmarc.world.example TXT": txt(`v=DMARC1; p=${p}`) };
      assert.equal(
        await short(plain, zone, { ...forged, rules: { ...obey, ...act } }),
        `spf=none dkim=none dmarc=fail${told}`,
      );
    }
  });

  it("meets a policy for a part of the mail as often as it says", async () => {
    const by = { address: "198.51.100.1", rules: obey };
    const asked = (pct: number) =>
      short(plain, { "_dmarc.world.example TXT": txt(`v=DMARC1; p=reject; pct=${pct}`) }, by);
    assert.equal(await asked(0), "spf=none dkim=none dmarc=fail");
    assert.equal(await asked(99), `spf=none dkim=none dmarc=fail ${refused}`);
  });

  it("is refused for SPF alone where the operator wants that", async () => {
    const rules: Partial<AuthenticationRules> = { spfFail: "refuse" };
    assert.equal(
      await short(plain, spf, { address: "2001:db8::1", rules }),
      "spf=fail dkim=none dmarc=none 550 5.7.23 SPF: this host may not send for the sender's domain",
    );
    assert.equal(await short(plain, spf, { address: "unix", rules }), "dkim=none dmarc=none");
  });

  it("says dkim=fail where the body was changed", async () => {
    const changed = `${await signed(plain, "world.example")}More.\r\n`;
    assert.equal(
      await short(changed, { ...key, ...reject }, { rules: obey }),
      `spf=none dkim=fail dmarc=fail ${refused}`,
    );
  });

  it("is never refused for good by a DNS that does not answer", async () => {
    const message = await signed(plain, "world.example");
    const noKey: Zone = { ...reject, "s1._domainkey.world.example TXT": "trouble" };
    assert.equal(await short(message, noKey, { rules: obey }), "spf=none dkim=temperror dmarc=fail");
    assert.equal(
      await short(message, noKey, { rules: { ...obey, trouble: "defer" } }),
      `spf=none dkim=temperror dmarc=fail ${later}`,
    );
    const noPolicy: Zone = { "_dmarc.world.example TXT": "trouble" };
    assert.equal(await short(plain, noPolicy, { rules: obey }), "spf=none dkim=none dmarc=temperror");
    assert.equal(
      await short(plain, noPolicy, { rules: { trouble: "defer" } }),
      `spf=none dkim=none dmarc=temperror ${later}`,
    );
  });

  it("waits so long for DNS and no longer", async () => {
    const clock = manualClock(now);
    const check = new Authentication(
      { ...mark, trouble: "defer" },
      {
        hostname: "relay.test",
        lookup: lookupIn({ "world.example TXT": "silence" }),
        clock,
        random: seeded(1),
      },
    );
    const verdict = check.examine(letterOf(plain, {}));
    await clock.advance(10_000);
    assert.equal(inShort(await verdict), `dmarc=temperror ${later}`);
    assert.equal(clock.timers, 0);
  });

  it("is held to the strictest of several domains in From", async () => {
    const two = `From: eve@evil.example\r\n${plain}`;
    const zone = {
      "evil.example TXT": txt("v=spf1 +all"),
      "_dmarc.evil.example TXT": txt("v=DMARC1; p=none"),
      ...reject,
    };
    assert.equal(
      await short(two, zone, { from: "eve@evil.example", rules: obey }),
      `spf=pass dkim=none dmarc=pass dmarc=fail ${refused}`,
    );
  });

  it("has no signatures read that cover a part of the body only, nor more than ten", async () => {
    const message = await signed(plain, "world.example");
    const partial = message.replace("; bh=", "; l=5; bh=");
    assert.equal(await short(partial, key), "spf=none dkim=none dmarc=none");
    const field = message.slice(0, message.indexOf("From: "));
    assert.equal(await short(field.repeat(50) + plain, key), `spf=none ${"dkim=pass ".repeat(10)}dmarc=none`);
  });

  it("has no signatures read if it is larger than is wanted", async () => {
    const message = await signed(plain, "world.example");
    assert.equal(await short(message, key, { rules: { size: 100 } }), "spf=none dkim=policy dmarc=none");
  });

  it("is not refused for a body that was not read", async () => {
    const message = await signed(plain, "world.example");
    assert.equal(
      await short(message, { ...key, ...reject }, { rules: { ...obey, size: 100 } }),
      "spf=none dkim=policy dmarc=fail",
    );
  });

  it("is not hidden by a mountain of fields", async () => {
    const mountains = [
      "X: y\r\n".repeat(5_000),
      `X: ${"y".repeat(70_000)}\r\n`,
      `X: ${"y".repeat(900)}\r\n`.repeat(400),
    ];
    for (const mountain of mountains) {
      assert.equal(
        await short(mountain + plain, reject, { rules: obey }),
        "spf=none dkim=none 552 5.3.4 This header is too long to tell whom the message is from",
      );
      assert.equal(await short(mountain + plain, reject), "spf=none dkim=none");
    }
  });

  it("costs little, whatever its header is", async () => {
    const lines = `X: y\r\n${" \r\n".repeat(500_000)}`;
    const fields = "DKIM-Signature: v=1; a=rsa-sha256; d=world.example; s=s1; h=From; bh=x; b=y\r\n".repeat(
      20_000,
    );
    const arcs = `ARC-Seal: i=1; a=rsa-sha256; d=x.example; s=s; cv=none; b=${"(".repeat(30_000)}\r\n`.repeat(
      7,
    );
    const long = `From: ${"<".repeat(60_000)}ann@world.example\r\n`;
    for (const odd of [lines, fields, arcs, long]) {
      const start = performance.now();
      await examine(odd + plain, { ...key, ...reject }, { rules: obey });
      assert.ok(performance.now() - start < 20_000, odd.slice(0, 20));
    }
  });
});

describe("a message that was passed on", () => {
  /** What a list makes of a signed message: another subject, with its seal. */
  async function passedOn(): Promise<string> {
    const { authenticate } = await import("mailauth");
    const sealer = { signingDomain: "list.example", selector: "s1", privateKey: keyPem };
    const message = await signed(plain, "world.example");
    const changed = message.replace("Subject: Hello", "Subject: [list] Hello");
    const { headers } = await authenticate(Buffer.from(changed, "latin1"), {
      ip: "192.0.2.7",
      helo: "mx.world.example",
      sender: "ann@world.example",
      mta: "list.example",
      seal: sealer,
      disableBimi: true,
      resolver: async () => [],
    });
    return headers + changed;
  }
  const zone = { ...reject, ...key, ...keyOf("list.example") };
  const how = { address: "198.51.100.1", from: "list@list.example" };

  it("is believed where its sealer is", async () => {
    const message = await passedOn();
    assert.equal(
      await short(message, zone, { ...how, rules: obey }),
      `spf=none dkim=fail arc=pass dmarc=fail ${refused}`,
    );
    assert.equal(
      await short(message, zone, { ...how, rules: { ...obey, arcSealers: ["list.example"] } }),
      "spf=none dkim=fail arc=pass dmarc=fail",
    );
  });

  it("is not believed if it was changed since", async () => {
    const rules = { ...obey, arcSealers: ["list.example"] };
    assert.equal(
      await short(`${await passedOn()}More.\r\n`, zone, { ...how, rules }),
      `spf=none dkim=fail arc=fail dmarc=fail ${refused}`,
    );
  });
});
