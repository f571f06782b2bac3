import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clientSession, renewedClientSession } from "../../src/smtp/client.ts";
import type { ClientEvent, ClientSession } from "../../src/smtp/session.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);

/** Every event as a short line, the input cut into pieces of `size`. */
function hear(session: ClientSession, said: string, size = said.length): readonly string[] {
  const heard: string[] = [];
  const all = bytes(said);
  for (let at = 0; at < all.length; at += size) {
    session.feed(all.subarray(at, at + size));
    for (let event = session.next(); event !== undefined; event = session.next()) heard.push(line(event));
  }
  return heard;
}

function line(event: ClientEvent): string {
  switch (event.type) {
    case "reply":
      return `${event.to.verb} ${event.reply.code}`;
    case "challenge":
      return `challenge ${text(event.bytes)}`;
    case "settled":
      return `settled ${event.reply.code}, ${event.rest} more`;
    case "greeting":
      return `greeting ${event.reply.code}`;
    case "failed":
      return `failed: ${event.fault}, ${event.why}`;
  }
}

const rcpt = (to: string) => ({ verb: "RCPT", to, parameters: {} }) as const;
const mail = { verb: "MAIL", from: "a@b.example", parameters: {} } as const;

describe("a client session", () => {
  for (const size of [1, 2, 7, 1_000])
    it(`matches replies with commands in order, ${size} octets at a time`, () => {
      const session = clientSession();
      session.send({ verb: "RSET" });
      session.send(mail);
      session.send(rcpt("x@y.example"));
      session.send({ verb: "BDAT", size: 5, last: true });
      session.body(bytes("abc\r\n"));
      assert.equal(
        text(session.flush()),
        "RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT 5 LAST\r\nabc\r\n",
      );
      assert.deepEqual(
        hear(
          session,
          "220 hi\r\n250 ok\r\n250 2.1.0 ok\r\n250-2.1.5 o\r\n250 2.1.5 k\r\n250 2.0.0 stored\r\n",
          size,
        ),
        ["greeting 220", "RSET 250", "MAIL 250", "RCPT 250", "settled 250, 0 more"],
      );
      assert.equal(session.outstanding, 0);
    });

  it("reads what EHLO lists, and of old servers too", () => {
    const session = renewedClientSession();
    session.send({ verb: "EHLO", name: "me.example" });
    session.feed(
      bytes(
        "250-relay.example.net hello\r\n250-AUTH=LOGIN PLAIN\r\n250-AUTH SCRAM-SHA-256\r\n250-size 1000\r\n250 PIPELINING\r\n",
      ),
    );
    const event = session.next();
    assert.ok(event?.type === "reply" && event.capabilities);
    assert.equal(event.capabilities.name, "relay.example.net");
    assert.deepEqual(event.capabilities.mechanisms, ["LOGIN", "PLAIN", "SCRAM-SHA-256"]);
    assert.equal(event.capabilities.size, 1000);
    assert.ok(event.capabilities.has("PIPELINING"));
  });

  it("expects one final reply for each recipient that an LMTP server accepted", () => {
    const session = renewedClientSession("LMTP");
    for (const command of [
      mail,
      rcpt("a@x.example"),
      rcpt("b@x.example"),
      rcpt("c@x.example"),
      { verb: "DATA" } as const,
    ])
      session.send(command);
    assert.deepEqual(hear(session, "250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n"), [
      "MAIL 250",
      "RCPT 250",
      "RCPT 550",
      "RCPT 250",
      "DATA 354",
    ]);
    session.flush();
    session.body(bytes(".x\r\n"));
    session.bodyEnd();
    assert.equal(text(session.flush()), "..x\r\n.\r\n");
    assert.deepEqual(hear(session, "250 a\r\n450 c\r\n"), ["settled 250, 1 more", "settled 450, 0 more"]);
  });

  it("ends at octets behind the reply that turns the line", () => {
    const session = renewedClientSession();
    session.send({ verb: "ATRN", domains: ["a.example"] });
    assert.deepEqual(hear(session, "250 turning\r\nEHLO p\r\n"), [
      "failed: injection, octets came behind the reply that turns the line",
    ]);
    assert.equal(session.turned, false);
    assert.equal(session.ended, true);
  });

  it("turns at a 250 to ATRN and at nothing else", () => {
    for (const code of [450, 451, 453, 502, 530]) {
      const session = renewedClientSession();
      session.send({ verb: "ATRN", domains: [] });
      assert.deepEqual(hear(session, `${code} no\r\n`), [`ATRN ${code}`]);
      assert.equal(session.turned, false);
    }
    const session = renewedClientSession();
    session.send({ verb: "ATRN", domains: [] });
    assert.deepEqual(hear(session, "250 turning\r\n"), ["ATRN 250"]);
    assert.equal(session.turned, true);
  });

  it("ends when it is told what it did not ask, and says so", () => {
    assert.deepEqual(hear(renewedClientSession(), "250 what\r\n"), [
      "failed: protocol, a reply that nothing asked for",
    ]);
    assert.deepEqual(hear(renewedClientSession(), "421 bye\r\n"), ["failed: closed, the peer said goodbye"]);
  });

  it("takes a 421 for the answer that it is, and for the end", () => {
    const session = renewedClientSession();
    session.send({ verb: "RSET" });
    session.send({ verb: "QUIT" });
    assert.deepEqual(hear(session, "421 going down\r\n"), [
      "RSET 421",
      "failed: closed, the peer said goodbye",
    ]);
  });

  it("does not go on with challenges after it gave up", () => {
    const session = renewedClientSession();
    session.send({ verb: "AUTH", mechanism: "CRAM-MD5", initial: undefined });
    assert.deepEqual(hear(session, "334 PGE+\r\n"), ["challenge <a>"]);
    session.respond(undefined);
    assert.deepEqual(hear(session, "334 PGE+\r\n"), ["failed: protocol, a challenge though we gave up"]);
  });

  it("does not follow a line without end, nor what is no reply", () => {
    const session = clientSession();
    assert.deepEqual(hear(session, `220 ${"x".repeat(1 << 20)}`, 16_384), [
      "failed: protocol, a reply line without end",
    ]);
    assert.match(hear(clientSession(), "HTTP/1.1 200 OK\r\n")[0] ?? "", /^failed: protocol/);
  });

  it("answers challenges, and gives up with a star", () => {
    const session = renewedClientSession();
    session.send({ verb: "AUTH", mechanism: "CRAM-MD5", initial: undefined });
    session.flush();
    assert.deepEqual(hear(session, "334 PGE+\r\n"), ["challenge <a>"]);
    session.respond(bytes("user digest"));
    assert.equal(text(session.flush()), "dXNlciBkaWdlc3Q=\r\n");
    assert.deepEqual(hear(session, "334 PGE+\r\n"), ["challenge <a>"]);
    session.respond(undefined);
    assert.equal(text(session.flush()), "*\r\n");
    assert.deepEqual(hear(session, "501 ok\r\n"), ["AUTH 501"]);
  });

  it("says that the peer closed", () => {
    const session = clientSession();
    session.feedEnd();
    assert.deepEqual(session.next(), {
      type: "failed",
      fault: "closed",
      why: "the peer closed the connection",
    });
  });
});
