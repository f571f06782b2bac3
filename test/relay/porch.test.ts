import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../src/platform/clock.ts";
import { type DoorPlan, Porch } from "../../src/relay/porch.ts";
import { certs } from "../support/certs.ts";
import { bytes, call, SOON, text } from "../support/net.ts";

const door = (more: Partial<DoorPlan> = {}): DoorPlan => ({
  ...({ service: "intake", address: { host: "127.0.0.1", port: 0 }, bareLineEnds: "refuse" } as const),
  ...{ startTls: false, implicitTls: false, requireTls: false, admits: () => true },
  ...more,
});
const tools = { clock: systemClock, log: { log: () => {} } };

async function withPorch(doors: readonly DoorPlan[], use: (porch: Porch) => Promise<void>): Promise<void> {
  const porch = new Porch({ doors, maxConnections: 10, perAddress: 10 }, tools);
  try {
    await use(porch);
  } finally {
    await porch.close();
  }
}

describe("a porch", () => {
  it("keeps those waiting who came before the office opened, in the clear and with TLS", () =>
    withPorch([door(), door({ implicitTls: true })], async (porch) => {
      await porch.bind("ports");
      const [plain, implicit] = porch.listeners;
      const dialling = call(implicit!, { servername: "relay.test", ca: certs().ca });
      const early = await call(plain!);
      implicit!.replaceTls(certs().server);
      porch.open(({ implicitTls }, connection) =>
        connection.write(bytes(implicitTls ? "under TLS" : "in the clear"), SOON),
      );
      const secured = await dialling;
      assert.deepEqual(
        [text(await early.read(SOON)), text(await secured.read(SOON)), secured.tls?.protocol],
        ["in the clear", "under TLS", "TLSv1.3"],
      );
      early.destroy();
      secured.destroy();
    }));

  it("binds nothing if it cannot bind all", () =>
    withPorch([door()], async (first) => {
      await first.bind("all");
      const { port } = first.listeners[0]!.address;
      const other = door();
      await withPorch([other, door({ address: { host: "127.0.0.1", port } })], async (second) => {
        await assert.rejects(second.bind("all"), { fault: "refused" });
        assert.deepEqual(second.listeners, [undefined, undefined]);
      });
    }));
});
