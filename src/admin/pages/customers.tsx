/** The customers: what waits for each, when it called last, when it should call again. */
// A customer that falls silent is how mail gets lost: its silence is said before its mail expires.
/** @jsxImportSource hono/jsx */
import type { Desk } from "../desk.ts";
import type { CustomerJson, TurnJson } from "../schema.ts";
import { Page, type View } from "./layout.tsx";
import { Empty, Share, Stamp, Table, When } from "./parts.tsx";
import { type Rhythm, rhythmOf } from "./rhythm.ts";
import { many, number, size, span } from "./words.ts";

/** Each customer's rhythm, from turns that are given newest first. */
export function rhythmsOf(turns: readonly TurnJson[], now: number): ReadonlyMap<string, Rhythm> {
  const calls = Map.groupBy(
    turns.filter(({ side }) => side === "provider"),
    ({ customer }) => customer,
  );
  return new Map(
    [...calls].map(([name, each]) => [
      name,
      rhythmOf(
        each.map(({ started }) => new Date(started).getTime()),
        now,
      ),
    ]),
  );
}

const columns = [
  { name: "Customer" },
  { name: "Last turn" },
  { name: "Next expected" },
  { name: "Messages", number: true },
  { name: "Size, of its quota" },
  { name: "Kept for", number: true },
];

export async function customers(desk: Desk, view: View) {
  const [all, { items }] = await Promise.all([
    desk.customers(),
    desk.turns({ side: "provider", limit: "1000" }),
  ]);
  const rhythms = rhythmsOf(items, view.now);
  return (
    <Page view={view} title="Customers" place="customers">
      <header class="lead">
        <h1>Customers</h1>
        <p>Whose mail is kept here, and when they come for it.</p>
      </header>
      <section id="customers" class="card" data-live aria-label="Customers">
        {all.length === 0 ? (
          <Empty title="No customers.">They are in the configuration, under serve: customers.</Empty>
        ) : (
          <Table caption="Customers" columns={columns}>
            {all.map((customer) => (
              <Row
                customer={customer}
                rhythm={rhythms.get(customer.name) ?? { late: false }}
                now={view.now}
              />
            ))}
          </Table>
        )}
      </section>
    </Page>
  );
}

interface RowProps {
  readonly customer: CustomerJson;
  readonly rhythm: Rhythm;
  readonly now: number;
}

function Row({ customer, rhythm, now }: RowProps) {
  const { name, domains, entries, octets, quota, hold, configured } = customer;
  return (
    <tr>
      <th scope="row">
        <a href={`/queue?direction=turn&customer=${encodeURIComponent(name)}`}>{name}</a>
        <span class="under">{configured ? domains.join(", ") : "not in the configuration"}</span>
      </th>
      <td data-label="Last turn">
        <LastTurn customer={customer} now={now} />
      </td>
      <td data-label="Next expected">
        <Expected customer={customer} rhythm={rhythm} now={now} />
      </td>
      <td data-label="Messages" class="number">
        {number(entries)}
        {customer.oldest && (
          <span class="under">oldest {span(now - new Date(customer.oldest).getTime())}</span>
        )}
      </td>
      <td data-label="Size">
        {size(octets)}
        {quota !== null && <span class="soft"> of {size(quota)}</span>}
        {quota !== null && <Share part={octets / quota} of={size(quota)} />}
      </td>
      <td data-label="Kept for" class="number">
        {hold === null ? "–" : span(hold * 1000)}
      </td>
    </tr>
  );
}

function LastTurn({
  customer: { name, lastTurn },
  now,
}: {
  readonly customer: CustomerJson;
  readonly now: number;
}) {
  if (lastTurn === null) return <span class="soft">never</span>;
  return (
    <>
      <a href={`/turns?customer=${encodeURIComponent(name)}`}>
        <When at={lastTurn.started} now={now} />
      </a>
      <span class="under">
        {lastTurn.state === "failed"
          ? `failed: ${lastTurn.why ?? "nobody said why"}`
          : `${many(lastTurn.delivered, "message")}, ${size(lastTurn.octets)}`}
      </span>
    </>
  );
}

function Expected({ customer, rhythm, now }: RowProps) {
  const { every, expected, late } = rhythm;
  if (customer.lastTurn === null)
    return customer.entries > 0 ? <Stamp state="late" /> : <span class="soft">–</span>;
  if (every === undefined || expected === undefined) return <span class="soft">too few calls to say</span>;
  return (
    <>
      {late ? <Stamp state="late" /> : expected > now ? <When at={expected} now={now} /> : "any moment"}
      <span class="under">every {span(every)}, usually</span>
    </>
  );
}
