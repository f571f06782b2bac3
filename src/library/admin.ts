/**
 * The admin interface and the dashboard as one `fetch` handler, over whatever spool it is given: it runs wherever
 * Request and Response do. Mount it on a server of your own, or at the edge.
 *
 * @example
 * ```ts
 * import { adminApp } from "odmr/admin";
 * import { silent, systemClock, systemRandom } from "odmr/platform";
 * import { openSpool, systemFiles, verify } from "odmr/spool";
 *
 * const machine = { clock: systemClock, random: systemRandom, log: silent };
 * const spool = await openSpool({ ...machine, path: "spool.db", files: systemFiles, thread: "here" });
 * const app = adminApp({
 *   ...machine,
 *   spool,
 *   customers: () => [],
 *   intake: () => ({ hostname: "relay.example.net", messageSize: 1e7, postings: () => "nothing is taken here" }),
 *   verify: (watch) => verify(spool, watch),
 *   tokens: [{ token: "a long secret", scope: "full", name: "admin" }],
 *   hosts: ["localhost"],
 * });
 * console.log((await app.request("http://localhost/healthz")).status);
 * ```
 *
 * @module
 */
// What is exported here is a promise to whoever builds on it; the files behind it are not.

export { type AdminApp, type AdminOptions, adminApp } from "../admin/app.ts";
export type { Scope, Token, Visit } from "../admin/gate.ts";
export type { Intake, Wanted } from "../admin/intake.ts";
export type { ProcessFacts } from "../admin/metrics.ts";
export type { Verify } from "../admin/verify.ts";
export type { Customer } from "../relay/customers.ts";
export type { Finding } from "../spool/finding.ts";
export type { RecordingSpool } from "../spool/records.ts";
