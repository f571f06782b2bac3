import assert from "node:assert/strict";
import { test } from "node:test";
import { deliveredTo, mailDate, protocolOf, received, returnPath } from "../../src/mail/trace.ts";

const at = Date.UTC(2026, 10, 4, 7, 8, 9);
const hop = {
  from: "mx.example.net",
  address: "192.0.2.1",
  protocol: "ESMTPS",
  by: "relay.example.org",
  id: "0192",
  at,
};

test("a Received field tells from whom, by whom, how, the id, for whom and when", () => {
  const tls = { protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
  assert.equal(
    received({ ...hop, for: "bob@example.org", tls }),
    "Received: from mx.example.net ([192.0.2.1])\r\n" +
      "\tby relay.example.org with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 0192\r\n" +
      "\tfor <bob@example.org>;\r\n" +
      "\tWed, 04 Nov 2026 07:08:09 +0000\r\n",
  );
});

test("a message from a file has no from clause, and an IPv6 peer has its tag", () => {
  const { from: _, address: __, ...file } = hop;
  assert.match(
    received({ ...file, protocol: "file" }),
    /^Received: by relay\.example\.org with file id 0192;\r\n/,
  );
  assert.match(received({ ...hop, address: "2001:db8::1" }), /\(\[IPv6:2001:db8::1\]\)/);
  assert.match(received({ ...hop, address: "unix" }), /\(unix\)/);
});

test("nothing that a stranger says ends a line, opens a comment or closes one", () => {
  for (const from of ["a\r\nX-Evil: 1", "a)b(c", "a\0b", "é.example", "", "x".repeat(5000), "a;b", 'a"b'])
    assert.match(
      received({ ...hop, from }),
      /^Received: from [!-'*-:<-~]{1,255} \(\[192\.0\.2\.1\]\)\r\n\tby .*\r\n\tWed, .*\r\n$/,
    );
  assert.equal(returnPath("a\r\nb@example.org"), "Return-Path: <a??b@example.org>\r\n");
});

test("final delivery writes the sender and the recipient", () => {
  assert.equal(returnPath(""), "Return-Path: <>\r\n");
  assert.equal(deliveredTo("bob@example.org"), "Delivered-To: bob@example.org\r\n");
});

test("the protocol's word says LMTP, TLS, authentication and UTF-8", () => {
  const plain = { verb: "EHLO", secure: false, authenticated: false, utf8: false } as const;
  const words = [
    [{ ...plain, verb: "HELO" }, "SMTP"],
    [plain, "ESMTP"],
    [{ ...plain, secure: true }, "ESMTPS"],
    [{ ...plain, authenticated: true }, "ESMTPA"],
    [{ ...plain, secure: true, authenticated: true }, "ESMTPSA"],
    [{ ...plain, utf8: true }, "UTF8SMTP"],
    [{ ...plain, utf8: true, secure: true, authenticated: true }, "UTF8SMTPSA"],
    [{ ...plain, verb: "LHLO" }, "LMTP"],
    [{ ...plain, verb: "LHLO", secure: true, utf8: true }, "UTF8LMTPS"],
  ] as const;
  for (const [kind, word] of words) assert.equal(protocolOf(kind), word);
});

test("dates are in UTC with a numeric zone", () => {
  assert.equal(mailDate(0), "Thu, 01 Jan 1970 00:00:00 +0000");
});
