/** The configurations of dist/docs/checks.md are read as they stand, by the program too; no key is left out, and no field is made up. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { type Described, describedAt } from "../../src/config/describe.ts";
import { parseConfig } from "../../src/config/load.ts";
import { authenticationResults } from "../../src/mail/results.ts";
import { inFolder, odmr } from "../support/cli.ts";

const text = readFileSync(new URL("../../dist/docs/checks.md", import.meta.url), "utf8");
const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml = ""]) => yaml);

interface Written {
  readonly serve: { readonly checks: Readonly<Record<string, unknown>> };
}

/** The first example is whole; the others stand in its place of checks. */
function whole(yaml: string): string {
  const first = parse(examples[0]!) as Written;
  const { serve } = parse(yaml) as Written;
  return stringify({ ...first, serve: { ...first.serve, ...serve } });
}

describe("the document on checks", () => {
  it("has five examples", () => assert.equal(examples.length, 5));

  for (const [i, yaml] of examples.entries())
    it(`example ${i + 1} is a configuration`, () =>
      assert.ok(parseConfig(whole(yaml), "/etc/odmr.yaml").serve?.checks));

  it("is found right by odmr check", () =>
    inFolder(async (folder) => {
      await writeFile(
        join(folder, "relay.yaml"),
        examples[0]!.replace(/^tls: .*$/m, "").replaceAll("/etc/odmr/", ""),
      );
      await writeFile(join(folder, "home.secret"), "secret\n", { mode: 0o600 });
      const { status, stderr } = await odmr(["check", "--config", "relay.yaml"], { cwd: folder });
      assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
    }));

  it("names every key", () => {
    const under = ({ properties = {}, items }: Described): readonly string[] => [
      ...(items === undefined ? [] : under(items)),
      ...Object.entries(properties).flatMap(([key, each]) => [key, ...under(each)]),
    ];
    const checks = describedAt(["serve", "checks"]);
    assert.ok(checks);
    const missing = under(checks).filter((key) => !new RegExp(`\\b${key}\\b`).test(text));
    assert.deepEqual(missing, []);
  });

  it("shows the field as it is written", () => {
    const shown = /^Authentication-Results: [^`]*/m.exec(text)?.[0].replaceAll("\n", "\r\n");
    const written = authenticationResults("relay.example.net", [
      { method: "spf", result: "pass", properties: { "smtp.mailfrom": "ann@world.example" } },
      {
        method: "dkim",
        result: "pass",
        properties: {
          "header.d": "world.example",
          "header.s": "s1",
          "header.a": "rsa-sha256",
          "header.b": "Ab3dEf9h",
        },
      },
      {
        method: "dmarc",
        result: "pass",
        comment: "p=reject",
        properties: { "header.from": "world.example" },
      },
    ]);
    assert.equal(shown, written);
  });
});
