import assert from "node:assert/strict";
import { test } from "node:test";
import { discard } from "../../src/delivery/discard.ts";
import { parcelFor } from "../support/mail.ts";

test("what is discarded counts as delivered", async () => {
  const outcomes = await discard().deliver(parcelFor(["a@x.org", "b@x.org"]));
  assert.deepEqual(
    outcomes.map(({ to, result }) => [to, result]),
    [
      ["a@x.org", "delivered"],
      ["b@x.org", "delivered"],
    ],
  );
});
