import assert from "node:assert/strict";
import { test } from "node:test";
import { type Described, describedAt, jsonSchema, keysAt } from "../../src/config/describe.ts";

test("every key has one sentence that says what it is", () => {
  const bare = [...undescribed(jsonSchema(), "")];
  assert.deepEqual(bare, []);
});

test("keys are found through lists and alternatives", () => {
  assert.deepEqual(keysAt(["tls"]), ["certificate", "key", "self", "acme", "clientCa", "clientCrl"]);
  assert.deepEqual(keysAt(["pull", "accounts", "deliver"]), [
    ...["match", "from", "largerThan", "smallerThan", "header"],
    ...["to", "redirect", "otherwise", "during", "timezone"],
  ]);
  assert.deepEqual(keysAt(["serve", "nothing"]), []);
  assert.match(describedAt(["serve", "customers", "hold"])?.description ?? "", /^How long mail waits/);
});

test("the schema for editors allows no key that is not there", () => {
  const { title, additionalProperties, required } = jsonSchema();
  assert.deepEqual(
    { title, additionalProperties, required },
    {
      title: "odmr.yaml",
      additionalProperties: false,
      required: ["hostname", "spool"],
    },
  );
});

/** Keys of named groups without a sentence; the short forms inside an alternative explain themselves. */
function* undescribed({ properties = {}, items }: Described, path: string): Iterable<string> {
  if (items !== undefined) yield* undescribed(items, path);
  for (const [key, each] of Object.entries(properties)) {
    if (!each.description?.endsWith(".")) yield `${path}.${key}`;
    yield* undescribed(each, `${path}.${key}`);
  }
}
