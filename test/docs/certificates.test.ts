/** dist/docs/certificates.md: its configurations and commands are tried as they stand, and no key is left out. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { dnsShowcase } from "../../src/acme/dns.ts";
import { type Described, describedAt } from "../../src/config/describe.ts";
import { parseConfig } from "../../src/config/load.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { inFolder, odmr } from "../support/cli.ts";

const text = readFileSync(new URL("../../dist/docs/certificates.md", import.meta.url), "utf8");
const blocks = (kind: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\`$`, "gms"))].map(([, block = ""]) => block);
const examples = blocks("yaml");
const shell = blocks("sh");

/** The first example is whole; the others stand in its place of tls. */
const whole = (yaml: string): string => stringify({ ...parse(examples[0]!), ...parse(yaml) });

describe("the document on certificates", () => {
  it("has five configurations", () => assert.equal(examples.length, 5));

  for (const [i, yaml] of examples.entries())
    it(`configuration ${i + 1} is right`, () => {
      assert.ok(parseConfig(whole(yaml), "/etc/odmr/odmr.yaml").tls);
    });

  it("names every key of tls.acme", () => {
    const under = ({ properties = {} }: Described): readonly string[] =>
      Object.entries(properties).flatMap(([key, each]) => [key, ...under(each)]);
    const keys = under(describedAt(["tls", "acme"])!);
    assert.ok(keys.length > 10);
    assert.deepEqual(
      keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(text)),
      [],
    );
  });

  it("names the files that there are", () => {
    const { tls } = parseConfig(examples[0]!, "/etc/odmr/odmr.yaml");
    for (const file of [tls!.certificate, tls!.acme!.account])
      assert.ok(text.includes(`\`${file.split("/").at(-1)}\``), file);
  });

  it("has commands that say what they are said to say, also where no CA can be asked", () =>
    inFolder(async (folder) => {
      await mkdir(join(folder, "lib"));
      await writeFile(join(folder, "home.secret"), "secret\n", { mode: 0o600 });
      const config = examples[0]!
        .replace("/var/lib/odmr/", "lib/")
        .replaceAll("/etc/odmr/", "")
        .replace("agree: true", 'agree: true, directory: "http://127.0.0.1:1/", listen: "127.0.0.1:0"');
      await writeFile(join(folder, "odmr.yaml"), config);
      const ways = shell[0]!
        .split("\n")
        .flatMap((line) => /^odmr (?!serve)(.*?) *(?:#|$)/.exec(line)?.[1] ?? []);
      assert.deepEqual(ways, ["check", "certificate --dry-run", "certificate"]);
      const ended = [];
      for (const words of ways) ended.push(await odmr(words.split(" "), { cwd: folder }));
      assert.match(
        ended[0]!.stdout,
        /certificate for relay\.example\.net by ACME from http:.*; proof by http/,
      );
      assert.match(ended[1]!.stderr, /^odmr: no certificate: 127\.0\.0\.1:1 cannot be asked: /m);
      assert.match(ended[2]!.stderr, /there is no certificate yet/);
      assert.deepEqual(
        ended.map(({ status }) => status),
        [0, 75, 75],
      );
    }));

  it("has a program for nsupdate that says what it should", () =>
    inFolder(async (folder) => {
      const program = join(folder, "dns-record");
      await writeFile(program, shell[1]!);
      await writeFile(
        join(folder, "nsupdate"),
        `#!/bin/sh\necho "$@" >> ${folder}/said; cat >> ${folder}/said\n`,
      );
      await Promise.all([chmod(program, 0o755), chmod(join(folder, "nsupdate"), 0o755)]);
      const { dns } = parseConfig(whole(examples[3]!), "/etc/odmr/odmr.yaml").tls!.acme!;
      const inPlace = (words: readonly string[]) => [
        "env",
        `PATH=${folder}${delimiter}${process.env.PATH}`,
        program,
        ...words.slice(1),
      ];
      const showcase = dnsShowcase(
        { set: inPlace(dns!.set), clear: inPlace(dns!.clear!), wait: 0 },
        { clock: systemClock, signal: new AbortController().signal, onLeft: (why) => assert.fail(why) },
      );
      const proofs = [{ name: "example.net", token: "t", value: "d1gest" }];
      await showcase.show(proofs);
      await showcase.hide(proofs);
      const record = "_acme-challenge.example.net";
      assert.equal(
        await readFile(join(folder, "said"), "utf8"),
        `-k /etc/odmr/dns.key\nupdate add ${record} 60 TXT "d1gest"\nsend\n` +
          `-k /etc/odmr/dns.key\nupdate delete ${record} TXT "d1gest"\nsend\n`,
      );
    }));
});
