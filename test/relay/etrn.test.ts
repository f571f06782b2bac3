import assert from "node:assert/strict";
import { it } from "node:test";
import { startDelivery } from "../../src/relay/etrn.ts";
import { pipe } from "../support/pipe.ts";
import { HOME, openPost } from "../support/post.ts";
import { play } from "../support/provider.ts";

it("ETRN #name delivers all of a customer's queue, what an operator moved into it too", async () => {
  const etrn = { host: "mail.home.test", port: 25, tls: "none" } as const;
  const office = { ...HOME, name: "office", domains: ["office.example"] };
  const post = await openPost({ customers: [{ ...HOME, etrn }, office] });
  try {
    await post.send({ to: ["bob@office.example"], body: "Subject: x\r\n\r\nx\r\n" });
    const by = { name: "operator", reason: "office is closed" };
    for await (const _ of post.relay.spool.act({ type: "move", customer: "home" }, {}, by));

    const [here, there] = pipe();
    const relay = { ...post.relay, reach: async () => here };
    const { reply, delivery } = await startDelivery(relay, "home", "#HOME");
    assert.deepEqual([reply.code, reply.text], [253, ["OK, 1 pending messages started"]]);
    await play(there, "P", [
      ...["P: 220 mail.home.test", "C: EHLO relay.test", "P: 250 mail.home.test"],
      ...["C: MAIL FROM:<*>*", "P: 250 fine", "C: RCPT TO:<bob@office.example>", "reset"],
    ]);
    await delivery;
  } finally {
    await post.close();
  }
});
