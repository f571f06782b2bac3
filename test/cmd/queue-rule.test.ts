import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { idsOf, jsonOf, withQueue } from "../support/queue.ts";

test("new mail that fits a rule is held, what was there before is not", () =>
  withQueue(async (queue, folder) => {
    const put = (from: string, to: string, name = "one.eml") =>
      queue("import", "--from", from, "--to", to, join(folder, name));
    await put("ann@spam.example", "a@example.org");
    const added = await queue("rule", "add", "--sender", "*@spam.example", "--reason", "spam", "--json");
    const [rule] = jsonOf(added.out);
    assert.deepEqual(
      [added.code, rule.sender, rule.customer, rule.reason],
      [0, "*@spam.example", null, "spam"],
    );
    await queue("rule", "add", "--customer", "other", "--larger-than", "1KiB");
    const held = async () => idsOf((await queue("list", "--state", "held")).out);
    assert.deepEqual(await held(), []);
    const spam = idsOf((await put("bob@spam.example", "a@example.org")).out);
    const large = idsOf((await put("ann@example.net", "b@other.example", "two.eml")).out);
    await put("ann@example.net", "b@other.example");
    await put("ann@example.net", "a@example.org", "two.eml");
    assert.deepEqual(await held(), [...spam, ...large]);
    assert.match(
      (await queue("rule", "list")).out,
      /^\S{36}\tsender=\*@spam\.example\tspam\n\S{36}\tcustomer=other\tlarger-than=1024\n$/,
    );
    assert.equal((await queue("rule", "remove", rule.id)).code, 0);
    await put("bob@spam.example", "a@example.org");
    assert.deepEqual(await held(), [...spam, ...large]);
  }));

test("a rule wants a condition, and one that is not there cannot be removed", () =>
  withQueue(async (queue, folder) => {
    await queue("import", "--to", "a@example.org", join(folder, "one.eml"));
    assert.equal((await queue("rule", "add")).code, 64);
    assert.equal((await queue("rule", "list")).code, 1);
    assert.equal((await queue("rule", "remove")).code, 64);
    assert.equal((await queue("rule", "remove", "0192d0c8-1c00-7000-8000-000000000001")).code, 1);
  }));
