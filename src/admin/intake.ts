/** Mail that comes over the admin interface: where it goes is decided as for `odmr queue add`. */
// The body goes into the spool as it comes, and no further than the message size. What is answered with 201 is safe.
import { canonical } from "../mail/canonical.ts";
import type { Instant } from "../platform/clock.ts";
import { addedOf, post } from "../spool/post.ts";
import type { Posting } from "../spool/spool.ts";
import type { Address } from "../wire/address.ts";
import type { AdminApp, AdminTools } from "./app.ts";
import { problem } from "./problem.ts";
import { routes } from "./routes.ts";

/** What the configuration says of new mail, as it is now. */
export interface Intake {
  /** Our name, for the Received field. */
  readonly hostname: string;
  /** Octets of a message at most. */
  readonly messageSize: number;
  /** One posting for each way that the recipients go; a text says why there is none. */
  postings(wanted: Wanted): readonly Posting[] | string;
}

export interface Wanted {
  readonly from: Address;
  readonly to: readonly Address[];
  readonly arrived: Instant;
  /** All of it waits for this customer's call. */
  readonly customer: string | undefined;
}

export function intakeRoute(app: AdminApp, { spool, clock, intake, peerOf }: AdminTools): void {
  app.openapi(routes.add, async (context) => {
    const { from, to, customer } = context.req.valid("query");
    if (!/^message\/rfc822\b/i.test(context.req.header("content-type") ?? ""))
      return problem(415, "send the message as message/rfc822");
    const { hostname, messageSize: most, postings: waysOf } = intake();
    const arrived = clock.now();
    const postings = waysOf({ from, to, arrived, customer });
    if (typeof postings === "string") return problem(400, postings);
    const source = { protocol: "HTTP", peer: peerOf?.(context.env) ?? "", auth: context.var.who };
    const content = canonical(context.req.raw.body ?? []);
    const posted = await post({ from, postings, source, arrived, hostname, content, most }, spool);
    if (posted === "empty") return problem(400, "the message is empty");
    if (posted === "too large") return problem(413, `a message may have ${most} octets`);
    const ids = await posted.ids;
    if (ids === "full") return problem(503, "there is no room in the spool");
    const items = addedOf(ids, postings).map((each) => ({ ...each, recipients: [...each.recipients] }));
    return context.json({ items }, 201);
  });
}
