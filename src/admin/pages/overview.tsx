/** The overview: what waits and for whom, the last day, the turns that run, what happened last, what wants a look. */
// It is read in ten seconds by somebody who has other things to do: first the sentence, then the numbers.
/** @jsxImportSource hono/jsx */
import type { Desk } from "../desk.ts";
import type { CustomerJson, EventJson, LaneJson, StatsJson, TurnJson } from "../schema.ts";
import { Chart } from "./chart.tsx";
import { rhythmsOf } from "./customers.tsx";
import { EventLine } from "./events.tsx";
import { Page, type View } from "./layout.tsx";
import { Nodes } from "./nodes.tsx";
import { Empty, percent, Share, Since, Table } from "./parts.tsx";
import { Running } from "./turns.tsx";
import { DAY, many, number, size, span } from "./words.ts";

const EVENTS_SHOWN = 9;

export async function overview(desk: Desk, view: View) {
  const after = new Date(view.now - DAY).toISOString();
  const [stats, customers, buckets, running, turns, events] = await Promise.all([
    desk.stats(),
    desk.customers(),
    desk.series({ hours: "24", bucket: "30m" }),
    desk.turns({ state: "running", limit: "50" }),
    desk.turns({ limit: "1000" }),
    desk.latest(EVENTS_SHOWN),
  ]);
  const lastDay = turns.items.filter(({ started }) => started > after);
  return (
    <Page view={view} title="Overview" place="overview">
      <div id="overview" data-live>
        <header class="lead">
          <h1>Overview</h1>
          <p>{sentence(stats, view.now)}</p>
        </header>
        <Concerns customers={customers} turns={turns.items} now={view.now} />
        <Numbers stats={stats} buckets={sums(buckets)} />
        <section class="card" aria-labelledby="day">
          <h2 id="day">The last day</h2>
          <Chart buckets={buckets} turns={lastDay} now={view.now} />
        </section>
        <div class="columns">
          <div class="stack">
            <section class="card" aria-labelledby="line">
              <h2 id="line">On the line now</h2>
              <Running turns={running.items} lanes={stats.lanes} now={view.now} />
            </section>
            <section class="card" aria-labelledby="hops">
              <h2 id="hops">Waiting, by next hop</h2>
              <Hops lanes={stats.lanes} customers={customers} now={view.now} />
            </section>
            <Nodes nodes={stats.nodes} now={view.now} />
          </div>
          <section class="card" aria-labelledby="last">
            <h2 id="last">What happened last</h2>
            <LastEvents events={events} now={view.now} />
          </section>
        </div>
      </div>
    </Page>
  );
}

function sentence({ entries, lanes }: StatsJson, now: number): string {
  if (entries === 0) return "No mail waits. The post is out.";
  const hops = lanes.filter((lane) => lane.entries > 0);
  const oldest = hops.flatMap((lane) => (lane.oldest === null ? [] : [new Date(lane.oldest).getTime()]));
  const age = oldest.length > 0 ? ` The oldest has been here for ${span(now - Math.min(...oldest))}.` : "";
  return `${many(entries, "message waits", "messages wait")} for ${many(hops.length, "next hop")}.${age}`;
}

interface ConcernsProps {
  readonly customers: readonly CustomerJson[];
  readonly turns: readonly TurnJson[];
  readonly now: number;
}

/** What somebody should look at; nothing where all is well. */
function Concerns({ customers, turns, now }: ConcernsProps) {
  const rhythms = rhythmsOf(turns, now);
  const concerns = customers.flatMap((customer) =>
    concernsOf(customer, rhythms.get(customer.name)?.late === true, now).map((text) => ({ customer, text })),
  );
  if (concerns.length === 0) return null;
  return (
    <section class="concerns" aria-labelledby="concerns">
      <h2 id="concerns">Wants a look</h2>
      <ul>
        {concerns.map(({ customer, text }) => (
          <li>
            <a href={`/queue?customer=${encodeURIComponent(customer.name)}`}>{customer.name}</a> {text}
          </li>
        ))}
      </ul>
    </section>
  );
}

function concernsOf(customer: CustomerJson, late: boolean, now: number): readonly string[] {
  const { entries, octets, quota, lastTurn, configured } = customer;
  const concerns: string[] = [];
  if (!configured) concerns.push(`has ${many(entries, "message")} and is not in the configuration.`);
  else if (lastTurn === null && entries > 0) concerns.push("has mail and has never called.");
  else if (lastTurn !== null && late)
    concerns.push(
      `has not called for ${span(now - new Date(lastTurn.started).getTime())}; it used to call more often.`,
    );
  if (lastTurn?.state === "failed")
    concerns.push(`had a turn that failed: ${lastTurn.why ?? "nobody said why"}.`);
  if (quota !== null && octets > quota * 0.9)
    concerns.push(`has used ${percent(octets / quota)} of its quota.`);
  return concerns;
}

interface Sums {
  readonly arrived: number;
  readonly delivered: number;
  readonly refused: number;
}

function sums(buckets: Awaited<ReturnType<Desk["series"]>>): Sums {
  const sum = (what: EventJson["what"]) => buckets.reduce((all, { counts }) => all + (counts[what] ?? 0), 0);
  return { arrived: sum("accepted"), delivered: sum("delivered"), refused: sum("refused") + sum("expired") };
}

function Numbers({ stats, buckets }: { readonly stats: StatsJson; readonly buckets: Sums }) {
  const of = (what: "held" | "leased") => stats.lanes.reduce((all, lane) => all + lane[what], 0);
  const numbers = [
    { name: "Waiting", value: stats.entries, href: "/queue", note: size(stats.octets) },
    { name: "Held", value: of("held"), href: "/queue?state=held", note: "until somebody releases them" },
    { name: "On the line", value: of("leased"), href: "/queue?state=leased", note: "being handed over" },
    { name: "Arrived", value: buckets.arrived, note: "in the last day" },
    { name: "Delivered", value: buckets.delivered, note: "in the last day" },
    { name: "Returned", value: buckets.refused, note: "refused or expired, last day" },
  ];
  return (
    <dl class="numbers">
      {numbers.map(({ name, value, href, note }) => (
        <div>
          <dt>{href ? <a href={href}>{name}</a> : name}</dt>
          <dd>
            <span class="big">{number(value)}</span> <span class="soft">{note}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

interface HopsProps {
  readonly lanes: readonly LaneJson[];
  readonly customers: readonly CustomerJson[];
  readonly now: number;
}

const directions = { turn: "waits for a call", local: "at home", outgoing: "going out" } as const;

function Hops({ lanes, customers, now }: HopsProps) {
  const waiting = lanes.filter(({ entries }) => entries > 0).sort((a, b) => b.entries - a.entries);
  if (waiting.length === 0) return <Empty title="No mail waits. The post is out." />;
  const columns = [
    { name: "Next hop" },
    { name: "Messages", number: true },
    { name: "Oldest, of its time" },
    { name: "Size, of its quota" },
  ];
  return (
    <Table caption="What waits, by next hop" columns={columns}>
      {waiting.map((lane) => {
        const customer =
          lane.direction === "turn" ? customers.find(({ name }) => name === lane.customer) : undefined;
        return (
          <tr>
            <th scope="row">
              <a href={`/queue?direction=${lane.direction}&customer=${encodeURIComponent(lane.customer)}`}>
                {lane.customer || "the world"}
              </a>
              <span class="under">{directions[lane.direction]}</span>
            </th>
            <td class="number" data-label="Messages">
              {number(lane.entries)}
              {lane.held > 0 && <span class="under">{number(lane.held)} held</span>}
            </td>
            <td data-label="Oldest">
              {lane.oldest && <Since at={lane.oldest} now={now} />}
              <AgeBar lane={lane} hold={customer?.hold ?? null} now={now} />
            </td>
            <td data-label="Size">
              {size(lane.octets)}
              {customer?.quota && <Share part={lane.octets / customer.quota} of={size(customer.quota)} />}
            </td>
          </tr>
        );
      })}
    </Table>
  );
}

/** @param hold seconds */
function AgeBar({
  lane,
  hold,
  now,
}: {
  readonly lane: LaneJson;
  readonly hold: number | null;
  readonly now: number;
}) {
  if (hold === null || lane.oldest === null) return null;
  return <Share part={(now - new Date(lane.oldest).getTime()) / (hold * 1000)} of={span(hold * 1000)} />;
}

function LastEvents({ events, now }: { readonly events: readonly EventJson[]; readonly now: number }) {
  if (events.length === 0) return <Empty title="Nothing in the last day." />;
  return (
    <ol class="events">
      {events.map((event) => (
        <EventLine event={event} now={now} link />
      ))}
    </ol>
  );
}
