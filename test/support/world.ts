/** The rest of the world for a relay under test: an office that takes in mail for one domain, and keeps it to be looked at. */
// It is a relay of ours behind a real socket, so it answers what the RFC has answered, and is no mirror of the sender.
import { systemClock } from "../../src/platform/clock.ts";
import { openOffice } from "../../src/relay/office.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { contentOf, entries, HOME, openPost, type PostOptions } from "./post.ts";

export interface Worldly {
  readonly port: number;
  readonly spool: EmbeddedSpool;
  /** What came so far, each as recipient and text. */
  letters(): Promise<readonly (readonly [to: string, text: string])[]>;
}

/** @param options who takes what: `customers` other than one for world.test, another clock */
export async function withWorld<T>(
  use: (world: Worldly) => Promise<T>,
  options: PostOptions = {},
): Promise<T> {
  const customers = [{ ...HOME, name: "world", domains: ["world.test"], recipients: ["eve@*"] }];
  const post = await openPost({ clock: systemClock, seed: 77, customers, ...options });
  const door = {
    ...({ service: "intake", address: { host: "127.0.0.1", port: 0 }, bareLineEnds: "refuse" } as const),
    ...{ startTls: false, implicitTls: false, requireTls: false, admits: () => true },
  };
  const office = await openOffice(post.relay, { doors: [door], maxConnections: 100, perAddress: 100 });
  try {
    return await use({
      port: office.addresses[0]!.port,
      spool: post.relay.spool,
      async letters() {
        const all = await entries(post.relay.spool);
        return Promise.all(
          all.map(
            async ({ id, recipients }) =>
              [
                recipients.map(({ address }) => address).join(" "),
                await contentOf(post.relay.spool, id),
              ] as const,
          ),
        );
      },
    });
  } finally {
    await office.close();
    await post.close();
  }
}
