import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError } from "../../src/config/error.ts";
import { parseConfig } from "../../src/config/load.ts";
import { parseSmarthost } from "../../src/config/outgoing.ts";

describe("a smarthost", () => {
  it("is a host with its port, its TLS and its user", () => {
    assert.deepEqual(parseSmarthost("smtp://me@smtp.example.net:2525"), {
      host: "smtp.example.net",
      port: 2525,
      tls: "starttls",
      user: "me",
    });
  });

  it("has the usual port of its scheme, and need not know us", () => {
    assert.deepEqual(parseSmarthost("smtp://[2001:db8::1]"), {
      host: "2001:db8::1",
      port: 587,
      tls: "starttls",
    });
    assert.deepEqual(parseSmarthost("SMTPS://me%40x@h"), {
      host: "h",
      port: 465,
      tls: "implicit",
      user: "me@x",
    });
  });

  for (const text of ["smtp.example.net", "smtp://me:secret@h", "http://h", "smtp://h:99999", "smtp://"])
    it(`is not ${text}`, () => assert.equal(parseSmarthost(text), undefined));
});

describe("outbound", () => {
  const config = (outbound: string, customer = "") => `hostname: relay.example.net
spool: spool.db
serve:
  listen: [{ service: submission, address: "127.0.0.1:0" }]
  customers: [{ name: home, domains: [example.org], password: { file: home.secret } ${customer} }]
  outbound: ${outbound}
`;
  const read = (text: string) => parseConfig(text, "/etc/odmr.yaml").serve;
  const problem = (text: string) => {
    try {
      read(text);
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
    return "";
  };

  it("by MX has the limits that are usual", () => {
    assert.deepEqual(read(config("{ mx: true }"))?.outbound, {
      mx: true,
      mtaSts: true,
      dns: [],
      expire: 5 * 86_400_000,
      warnAfter: 4 * 3_600_000,
      connections: 50,
      perDestination: 5,
    });
  });

  const wrong: readonly (readonly [outbound: string, customer: string, told: RegExp])[] = [
    ["{ expire: 1d }", "", /no way out/],
    ['{ mx: true, smarthost: "smtp://h" }', "", /both/],
    ['{ smarthost: "smtp://me@h" }', "", /passwordFile/],
    ['{ smarthost: "smtp://me:secret@h" }', "", /no smarthost/],
    ["{ mx: true, dns: [ns.example] }", "", /no name server/],
    ["{ mx: true }", ", dkim: { selector: x, key: k, domains: [other.example] }", /none of this customer's/],
    ["{ mx: true }", ", notify: nobody", /no mail address/],
    ["{ mx: true }", ", senders: all", /neither/],
  ];
  for (const [outbound, customer, told] of wrong)
    it(`${outbound}${customer} is told to be wrong`, () =>
      assert.match(problem(config(outbound, customer)), told));
});
