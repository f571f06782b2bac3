import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigError } from "../../src/config/error.ts";
import { parseConfig } from "../../src/config/load.ts";

const config = (checks: string) => `hostname: relay.example.net
spool: spool.db
serve:
  listen: [{ service: intake, address: "127.0.0.1:0" }]
  checks: ${checks}
`;
const read = (checks: string) => parseConfig(config(checks), "/etc/odmr.yaml").serve?.checks;
const problem = (checks: string): string | undefined => {
  try {
    read(checks);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
};

describe("checks", () => {
  it("refuse nobody until they are told to", () => {
    assert.deepEqual(read("{ authentication: {} }"), {
      at: ["intake"],
      trusted: [],
      dns: [],
      reverseName: "no",
      blocklists: [],
      listed: "mark",
      listedFrom: 1,
      timeout: 8_000,
      authentication: {
        dmarcReject: "mark",
        dmarcQuarantine: "mark",
        spfFail: "mark",
        trouble: "mark",
        arcSealers: [],
        size: 50 * 1024 * 1024,
        timeout: 20_000,
      },
    });
  });

  it("take lists with answers and weights", () => {
    assert.deepEqual(
      read('{ blocklists: [{ zone: zen.spamhaus.org, answers: ["127.0.0.2/31"], weight: -2 }] }')?.blocklists,
      [{ zone: "zen.spamhaus.org", answers: ["127.0.0.2/31"], weight: -2 }],
    );
  });

  for (const [checks, told] of [
    ["{ at: [odmr] }", /serve\.checks\.at/],
    ["{ at: [] }", /it is empty; write \[intake\]/],
    ["{ trusted: [home] }", /is no network; write 192\.0\.2\.0\/24/],
    ["{ authentication: { dmarcReject: reject } }", /dmarcReject/],
    ["{ blocklists: [{ zone: zen.spamhaus.org, weight: heavy }] }", /is not a number/],
    ["{ blacklists: [] }", /blacklists/],
  ] as const)
    it(`are not ${checks}`, () => assert.match(problem(checks) ?? "", told));
});
