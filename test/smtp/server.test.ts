import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gates, order } from "../../src/smtp/rules.ts";
import { renewedServerSession, serverSession } from "../../src/smtp/server.ts";
import type { ServerEvent, ServerSession, ServerSettings } from "../../src/smtp/session.ts";
import { reply } from "../../src/wire/reply.ts";

const settings: ServerSettings = {
  service: "intake",
  hostname: "relay.example.net",
  secure: false,
  startTls: false,
  requireTls: false,
  mechanisms: [],
  sizeLimit: 1_000,
  recipientLimit: 5,
  bareLineEnds: "refuse",
  owedLimit: 2,
  ledger: false,
};

const bytes = (text: string) => new TextEncoder().encode(text);
const said = (session: ServerSession) => new TextDecoder().decode(session.flush());
const hi = reply(220, undefined, "hi");
const ok = reply(250, "2.0.0", "ok");

function events(session: ServerSession): readonly ServerEvent["type"][] {
  const types: ServerEvent["type"][] = [];
  for (let event = session.next(); event !== undefined; event = session.next()) {
    types.push(event.type);
    if (event.type === "mail" || event.type === "rcpt") session.reply(ok);
    if (event.type === "body") session.proceed();
  }
  return types;
}

describe("a server session", () => {
  it("sends away whoever speaks before the greeting", () => {
    const session = serverSession(settings);
    session.feed(bytes("EHLO early.example\r\n"));
    session.greet(hi);
    assert.match(said(session), /^554 /);
    assert.deepEqual(events(session), ["failed"]);
    assert.ok(session.ended);
  });

  it("has an answer for every command in every state, at every door", () => {
    for (const state of Object.values(order)) assert.equal(Object.keys(state).length, 20);
    for (const door of Object.values(gates)) assert.equal(Object.keys(door).length, 20);
  });

  it("reads on while final replies are owed, up to the limit, and no further", () => {
    const session = renewedServerSession(settings);
    const group = "RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT 3 LAST\r\nabc";
    session.feed(bytes(`EHLO me.example\r\n${group}${group}${group}`));
    assert.equal(events(session).filter((type) => type === "complete").length, 2);
    assert.equal(session.owed, 2);
    assert.ok(session.blocked);
    said(session);
    session.settle(2, [ok]);
    assert.equal(said(session), "", "the second must wait for the first");
    session.settle(1, [ok]);
    assert.equal(said(session).match(/250 2\.0\.0 ok/g)?.length, 4);
    assert.equal(events(session).filter((type) => type === "complete").length, 1);
  });

  it("keeps a QUIT behind what it owes", () => {
    const session = renewedServerSession(settings);
    session.feed(
      bytes(
        "EHLO me.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT 3 LAST\r\nabcQUIT\r\n",
      ),
    );
    assert.ok(!events(session).includes("quit"));
    assert.ok(session.blocked);
    session.settle(1, [ok]);
    assert.ok(events(session).includes("quit"));
    assert.match(said(session), /250 2\.0\.0 ok\r\n221 /);
  });

  it("drops the transaction of a peer that hangs up, and still owes what was complete", () => {
    const session = renewedServerSession(settings);
    session.feed(
      bytes(
        "EHLO me.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT 3 LAST\r\nabcMAIL FROM:<a@b.example>\r\n",
      ),
    );
    session.feedEnd();
    assert.deepEqual(events(session).slice(-2), ["reset", "failed"]);
    assert.equal(session.owed, 1);
  });

  it("is not kept busy by commands that bring no mail", () => {
    const session = renewedServerSession(settings);
    session.feed(bytes("NOOP\r\n".repeat(100_000)));
    assert.deepEqual(events(session), ["failed"]);
    assert.match(said(session), /421 4\.7\.0 [^\r]*\r\n$/);
  });

  it("does not collect a line without end", () => {
    const session = renewedServerSession(settings);
    for (let i = 0; i < 100 && !session.ended; i++) {
      session.feed(new Uint8Array(10_000).fill(65));
      events(session);
    }
    assert.match(said(session), /^500 5\.5\.2 /);
    assert.ok(session.ended);
  });

  it("ends when told to, after what it owes", () => {
    const session = renewedServerSession(settings);
    session.feed(
      bytes("EHLO me.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT 3 LAST\r\nabc"),
    );
    events(session);
    said(session);
    session.shut(reply(421, "4.3.2", "going down"));
    assert.equal(said(session), "");
    session.settle(1, [ok]);
    assert.equal(said(session), "250 2.0.0 ok\r\n421 4.3.2 going down\r\n");
  });

  it("does not forget between two messages that it was greeted by HELO only", () => {
    const session = renewedServerSession({ ...settings, service: "odmr", mechanisms: ["PLAIN"] });
    session.feed(bytes("HELO me.example\r\nAUTH PLAIN\r\n"));
    events(session);
    assert.match(said(session), /503 5\.5\.1 Say EHLO, not HELO/);
  });

  it("does not take a body whose announced octets never came", () => {
    const session = renewedServerSession(settings);
    session.feed(
      bytes("EHLO me.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<x@y.example>\r\nBDAT 10 LAST\r\nabcde"),
    );
    session.feedEnd();
    const heard = events(session);
    assert.ok(!heard.includes("complete"));
    assert.deepEqual(heard.slice(-2), ["reset", "failed"]);
  });
});
