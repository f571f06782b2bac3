/** An admin interface over a spool of its own, asked without a socket. */

import { type AdminApp, type AdminOptions, adminApp } from "../../src/admin/app.ts";
import type { Intake } from "../../src/admin/intake.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";
import { openSpool } from "../../src/spool/open.ts";
import { verify, type Watch } from "../../src/spool/verify.ts";
import { HandClock, seeded, temporary } from "../spool/support.ts";
import { HOME as HOME_CUSTOMER } from "../support/post.ts";
import { quickFolder } from "../support/quick.ts";

export const FULL = "full-0123456789abcdef";
export const READ = "read-0123456789abcdef";

export interface Admin {
  readonly app: AdminApp;
  readonly spool: EmbeddedSpool;
  readonly clock: HandClock;
  readonly path: string;
  /** A request with the full token; `init.headers` come on top. */
  ask(path: string, init?: RequestInit): Promise<Response>;
  /** The JSON of an answer that must be fine. */
  read<T>(path: string): Promise<T>;
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

/** Mail for example.org waits for the customer `home`; nobody else is known. */
const intake: Intake = {
  hostname: "relay.example.net",
  messageSize: 4_000_000,
  postings({ to, arrived, customer = "home" }) {
    const lost = to.find((address) => !address.endsWith("@example.org"));
    if (lost !== undefined) return `no way to ${lost}`;
    const recipients = to.map((address) => ({ address, notify: [] }));
    return [{ lane: { direction: "turn", customer }, expires: arrived + 86_400_000, recipients }];
  },
};

export async function openAdmin(options: Partial<AdminOptions> = {}): Promise<Admin> {
  const folder = temporary(quickFolder());
  const clock = new HandClock();
  const path = `${folder.path}/spool.db`;
  const spool = await openSpool({
    ...{ path, clock, random: seeded(5), log: silent, files: systemFiles, thread: "here" },
  });
  const app = adminApp({
    ...{
      spool,
      clock,
      random: seeded(7),
      log: silent,
      customers: () => [HOME_CUSTOMER],
      intake: () => intake,
      verify: (watch: Watch) => verify(spool, watch),
      hosts: ["localhost"],
    },
    tokens: [
      { token: FULL, scope: "full", name: "full" },
      { token: READ, scope: "read", name: "read" },
    ],
    ...options,
  });
  const ask = async (path: string, { headers, ...init }: RequestInit = {}) =>
    await app.request(path, {
      ...init,
      headers: { host: "localhost", authorization: `Bearer ${FULL}`, ...(headers as object) },
    });
  return {
    ...{ app, spool, clock, path, ask },
    async read<T>(path: string) {
      const response = await ask(path);
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
      return JSON.parse(text) as T;
    },
    post: (path, body, init = {}) =>
      ask(path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...init,
        headers: { "content-type": "application/json", ...(init.headers as object) },
      }),
    async close() {
      await spool.close();
      folder.remove();
    },
  };
}
