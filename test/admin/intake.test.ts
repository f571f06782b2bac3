import assert from "node:assert/strict";
import { test } from "node:test";
import { collected, octets } from "../support/mail.ts";
import { type Admin, openAdmin, READ } from "./support.ts";

async function withAdmin(act: (admin: Admin) => Promise<void>): Promise<void> {
  const admin = await openAdmin();
  try {
    await act(admin);
  } finally {
    await admin.close();
  }
}

const add = (admin: Admin, query: string, body: RequestInit["body"], headers: Record<string, string> = {}) =>
  admin.ask(`/api/v1/queue?${query}`, {
    method: "POST",
    headers: { "content-type": "message/rfc822", ...headers },
    ...(body != null && { body, ...(body instanceof ReadableStream && { duplex: "half" }) }),
  });

const whyOf = async (response: Response) => [
  response.status,
  ((await response.json()) as { readonly detail: string }).detail,
];

test("a message that is added waits, with its line ends made right and who brought it", () =>
  withAdmin(async (admin) => {
    const response = await add(
      admin,
      "from=&to=ann@example.org&to=bob@example.org",
      "Subject: hi\n\nhello\n",
    );
    assert.equal(response.status, 201);
    const { items } = (await response.json()) as { readonly items: readonly { readonly id: string }[] };
    const [{ id = "", ...way } = {}] = items;
    assert.deepEqual(
      [items.length, way],
      [1, { direction: "turn", customer: "home", recipients: ["ann@example.org", "bob@example.org"] }],
    );
    const [entry] = await Array.fromAsync(admin.spool.list({ ids: [id] }));
    assert.deepEqual([entry?.sender, entry?.subject, entry?.source.auth], ["", "hi", "api:full"]);
    const kept = await collected((await admin.spool.content(id)) ?? []);
    assert.match(new TextDecoder().decode(kept), /\r\nSubject: hi\r\n\r\nhello\r\n$/);
  }));

test("a message that streams is cut off at the message size, and nothing stays", () =>
  withAdmin(async (admin) => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled++;
        controller.enqueue(octets("x".repeat(100_000)));
      },
    });
    const response = await add(admin, "from=&to=ann@example.org", endless);
    assert.deepEqual(await whyOf(response), [413, "a message may have 4000000 octets"]);
    assert.ok(pulled < 60);
    assert.equal(await admin.spool.count({}), 0);
  }));

test("what cannot be added is told why", () =>
  withAdmin(async (admin) => {
    const mail = "Subject: hi\r\n\r\n";
    const to = "to=ann@example.org";
    assert.deepEqual(await whyOf(await add(admin, "from=&to=ann@elsewhere.example", mail)), [
      ...[400, "no way to ann@elsewhere.example"],
    ]);
    assert.deepEqual(await whyOf(await add(admin, `from=&${to}`, "")), [400, "the message is empty"]);
    assert.equal((await add(admin, to, mail)).status, 400);
    assert.equal((await add(admin, "from=", mail)).status, 400);
    assert.equal((await add(admin, "from=&to=a%0d%0ab@example.org", mail)).status, 400);
    assert.equal((await add(admin, `from=&${to}`, mail, { "content-type": "text/plain" })).status, 415);
    const reader = { authorization: `Bearer ${READ}` };
    assert.equal((await add(admin, `from=&${to}`, mail, reader)).status, 403);
    assert.equal(await admin.spool.count({}), 0);
  }));
