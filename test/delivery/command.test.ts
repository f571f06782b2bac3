import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { command, commandProblem } from "../../src/delivery/command.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { inFolder, octets, parcelFor } from "../support/mail.ts";

const run = (argv: readonly [string, ...string[]], limit?: number) =>
  command({ argv, clock: systemClock, ...(limit === undefined ? {} : { limit }) });
const shell = (script: string, ...args: string[]) => run(["/bin/sh", "-c", script, "sh", ...args]);

test("the program gets the message on stdin, and the facts as arguments and environment", () =>
  inFolder(async (folder) => {
    const out = join(folder, "out");
    const delivery = shell(
      'cat > "$1"; echo "$2 $SENDER $RECIPIENT $MESSAGE" >> "$1"; env >> "$1"',
      out,
      "<{recipient}>",
    );
    const [outcome] = await delivery.deliver(parcelFor(["bob@example.org"]));
    assert.equal(outcome?.result, "delivered");
    const text = await readFile(out, "utf8");
    assert.ok(
      text.startsWith(
        "Return-Path: <ann@example.net>\nDelivered-To: bob@example.org\nSubject: hello\n\nFrom here on\nall is text.\n" +
          `<bob@example.org> ann@example.net bob@example.org ${parcelFor([]).id}\n`,
      ),
      text,
    );
    const names = [...text.matchAll(/^([A-Z_]+)=/gm)]
      .map(([, name]) => name)
      .filter((name) => name !== "PWD" && name !== "_");
    assert.deepEqual(
      names.sort(),
      ["HOME", "MESSAGE", "ORIGINAL_RECIPIENT", "PATH", "RECIPIENT", "SENDER"].sort(),
    );
  }));

test("the exit status is the answer", async () => {
  const rows = [
    ["exit 0", "delivered", 250, "2.0.0", "taken by the program"],
    ["echo later >&2; exit 75", "deferred", 451, "4.3.0", "later"],
    ["exit 71", "deferred", 451, "4.3.0", "the program ended with 71"],
    ["exit 73", "deferred", 451, "4.3.0", "the program ended with 73"],
    ["exit 74", "deferred", 451, "4.3.0", "the program ended with 74"],
    ["kill -TERM $$", "deferred", 451, "4.3.0", "the program was ended by SIGTERM"],
    ["printf '\\n\\033[31mno\\there\\r\\nmore' >&2; exit 1", "refused", 554, "5.3.0", "?[31mno?here"],
    ["exit 67", "refused", 554, "5.1.1", "the program ended with 67"],
  ] as const;
  for (const [script, result, code, enhanced, text] of rows) {
    const [outcome] = await shell(script).deliver(parcelFor(["bob@example.org"]));
    assert.deepEqual(outcome, { to: "bob@example.org", result, reply: { code, enhanced, text: [text] } });
  }
});

test("each recipient has its own run and its own outcome", async () => {
  const outcomes = await shell('test "$RECIPIENT" = a@x.org || exit 75').deliver(
    parcelFor(["a@x.org", "b@x.org"]),
  );
  assert.deepEqual(
    outcomes.map(({ to, result }) => [to, result]),
    [
      ["a@x.org", "delivered"],
      ["b@x.org", "deferred"],
    ],
  );
});

test("what is a shell's language stays one argument", () =>
  inFolder(async (folder) => {
    const hostile = [
      '";touch x;"@x.org',
      "$(touch x)@x.org",
      "`touch`@x.org",
      '"() { :;}; touch x"@x.org',
      "a|b&c@x.org",
    ];
    const delivery = shell('cd "$1"; cat > /dev/null; printf "%s\\n" "$2" >> out', folder, "{recipient}");
    const outcomes = await delivery.deliver(parcelFor(hostile, { from: "$(touch x)@y.org" }));
    assert.ok(outcomes.every(({ result }) => result === "delivered"));
    assert.deepEqual(await readdir(folder), ["out"]);
    assert.equal(await readFile(join(folder, "out"), "utf8"), `${hostile.join("\n")}\n`);
  }));

test("an address with controls, or one that looks like an option, is refused before anything runs", () =>
  inFolder(async (folder) => {
    const delivery = run(["/bin/sh", "-c", `touch ${folder}/ran`, "{local}"]);
    const outcomes = await delivery.deliver(parcelFor(['"a\nb"@x.org', '"a\0b"@x.org', "-c@x.org"]));
    assert.deepEqual(
      outcomes.map(({ result }) => result),
      ["refused", "refused", "refused"],
    );
    const [sender] = await delivery.deliver(parcelFor(["bob@x.org"], { from: "a\nX=1@y.org" }));
    assert.equal(sender?.result, "refused");
    assert.deepEqual(await readdir(folder), []);
  }));

test("a program that reads nothing of a large message, or says much, is no trouble", async () => {
  const content = octets(`Subject: large\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(40_000)}`);
  const [deaf] = await shell("exit 0").deliver(parcelFor(["bob@x.org"], { content }));
  assert.equal(deaf?.result, "delivered");
  const [chatty] = await shell("head -c 2000000 /dev/zero >&2; cat >/dev/null; exit 65").deliver(
    parcelFor(["bob@x.org"], { content }),
  );
  assert.deepEqual(
    [chatty?.result, chatty?.reply.enhanced, chatty?.reply.text[0]?.length],
    ["refused", "5.6.0", 400],
  );
});

test("a program that takes too long is ended with all that it started, and the mail waits", async () => {
  const [outcome] = await run(["/bin/sh", "-c", "sleep 60 & sleep 60; exit 0"], 50).deliver(
    parcelFor(["bob@x.org"]),
  );
  assert.equal(outcome?.result, "deferred");
  assert.match(outcome?.reply.text[0] ?? "", /took more than/);
});

test("a program that is missing makes the mail wait, and is a problem beforehand", async () => {
  const argv = ["/nonexistent/program"] as const;
  const [outcome] = await run(argv).deliver(parcelFor(["bob@x.org"]));
  assert.deepEqual([outcome?.result, outcome?.reply.code], ["deferred", 451]);
  assert.equal(await commandProblem(argv), "/nonexistent/program is no program that can be run");
  assert.equal(
    await commandProblem(["odmr-no-such-program"]),
    "there is no program odmr-no-such-program in PATH",
  );
  assert.equal(await commandProblem(["/tmp"]), "/tmp is no program that can be run");
  assert.equal(await commandProblem(["sh"]), undefined);
});
