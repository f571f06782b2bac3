import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { authenticationResults } from "../../src/mail/results.ts";

describe("an Authentication-Results field", () => {
  it("has a clause for each method, folded", () => {
    assert.equal(
      authenticationResults("relay.example.net", [
        { method: "spf", result: "pass", properties: { "smtp.mailfrom": "ann@world.example" } },
        {
          method: "dkim",
          result: "fail",
          comment: "body hash did not verify",
          properties: { "header.d": "world.example", "header.s": "s2026", "header.b": "Ab+/=x==" },
        },
      ]),
      "Authentication-Results: relay.example.net;\r\n" +
        "\tspf=pass smtp.mailfrom=ann@world.example;\r\n" +
        "\tdkim=fail (body hash did not verify) header.d=world.example header.s=s2026\r\n" +
        '\t  header.b="Ab+/=x=="\r\n',
    );
  });

  it("says none where nothing was found out", () => {
    assert.equal(
      authenticationResults("relay.test", []),
      "Authentication-Results: relay.test;\r\n\tnone\r\n",
    );
  });

  it("lets nothing of a stranger's end a line, a comment or a string", () => {
    const [line, ...rest] = authenticationResults("relay.test", [
      {
        method: "x\r\nEvil: 1",
        result: "",
        comment: "a) ; dmarc=pass (\r\nEvil: 2",
        properties: {
          "smtp.mailfrom": '"a\\"; dkim=pass "@x\r\nEvil: 3\0ä',
          "header.d": undefined,
          "header.i": "",
        },
      },
    ]).split("\r\n");
    assert.deepEqual(
      [line, ...rest],
      [
        "Authentication-Results: relay.test;",
        "\txevil1=none (a  ; dmarc=pass  ?Evil: 2)",
        '\t  smtp.mailfrom="\\"a\\\\\\"; dkim=pass \\"@x?Evil: 3?"',
        "",
      ],
    );
  });

  it("cuts what is longer than any name", () => {
    const field = authenticationResults("relay.test", [
      {
        method: "spf",
        result: "none",
        comment: "c".repeat(9_999),
        properties: { "smtp.helo": "h".repeat(9_999) },
      },
    ]);
    assert.ok(field.length < 600, String(field.length));
  });
});
