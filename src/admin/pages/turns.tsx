/** Turns of the line: those that run, and those that were. */
// A call of ours and a call of a customer are the same thing here: somebody dialled, and mail changed hands.
/** @jsxImportSource hono/jsx */
import type { Desk, Query } from "../desk.ts";
import type { LaneJson, TurnJson } from "../schema.ts";
import { Page, type View } from "./layout.tsx";
import { Bar, Empty, Pager, Since, Stamp, Table, When } from "./parts.tsx";
import { many, number, size, span } from "./words.ts";

const STATES = ["running", "done", "failed"] as const;
const LIMIT = "50";

export async function turns(desk: Desk, view: View, query: Query) {
  const { customer, state, cursor } = query;
  const [{ items, next }, customers] = await Promise.all([
    desk.turns({ customer, state, cursor, limit: LIMIT }),
    desk.customers(),
  ]);
  const link = (more: Readonly<Record<string, string>>) =>
    `/turns?${new URLSearchParams({ ...(customer && { customer }), ...(state && { state }), ...more })}`;
  const names = [...new Set([...customers.map(({ name }) => name), ...(customer ? [customer] : [])])];
  return (
    <Page view={view} title="Turns" place="turns">
      <header class="lead">
        <h1>Turns</h1>
        <p>Each time the line was turned: who called, what went over, how it ended.</p>
      </header>
      <search>
        <form class="filters" method="get" action="/turns">
          <div class="field">
            <label for="turn-customer">Customer</label>
            <select id="turn-customer" name="customer" data-filter>
              <option value="">all</option>
              {names.map((name) => (
                <option selected={name === customer}>{name}</option>
              ))}
            </select>
          </div>
          <div class="field">
            <label for="turn-state">State</label>
            <select id="turn-state" name="state">
              <option value="">all</option>
              {STATES.map((each) => (
                <option selected={each === state}>{each}</option>
              ))}
            </select>
          </div>
          <button type="submit">Show</button>
        </form>
      </search>
      <section id="turns" class="card" data-live aria-label="Turns">
        {items.length === 0 ? (
          <Empty title="No turn yet.">When a customer calls, it is here.</Empty>
        ) : (
          <TurnTable turns={items} now={view.now} />
        )}
        <Pager
          label="Pages of turns"
          {...(cursor && { first: link({}) })}
          {...(next && { next: link({ cursor: next }) })}
        />
      </section>
    </Page>
  );
}

const columns = [
  { name: "Customer" },
  { name: "State" },
  { name: "Began" },
  { name: "Took", number: true },
  { name: "Delivered", number: true },
  { name: "Deferred", number: true },
  { name: "Refused", number: true },
  { name: "Size", number: true },
];

export function TurnTable({ turns, now }: { readonly turns: readonly TurnJson[]; readonly now: number }) {
  return (
    <Table caption="Turns, newest first" columns={columns}>
      {turns.map((turn) => (
        <tr>
          <th scope="row">
            {turn.customer}
            <span class="under">
              {turn.side === "provider" ? "called from" : "we called"} <span class="mono">{turn.peer}</span>
            </span>
          </th>
          <td data-label="State">
            <Stamp state={turn.state} />
            {turn.why !== null && <span class="under">{turn.why}</span>}
          </td>
          <td data-label="Began">
            <When at={turn.started} now={now} />
          </td>
          <td data-label="Took" class="number">
            {lasted(turn, now)}
          </td>
          <td data-label="Delivered" class="number">
            {number(turn.delivered)}
          </td>
          <td data-label="Deferred" class="number">
            {number(turn.deferred)}
          </td>
          <td data-label="Refused" class="number">
            {number(turn.refused)}
          </td>
          <td data-label="Size" class="number">
            {size(turn.octets)}
          </td>
        </tr>
      ))}
    </Table>
  );
}

function lasted({ started, ended }: TurnJson, now: number): string {
  const ms = (ended === null ? now : new Date(ended).getTime()) - new Date(started).getTime();
  return ms < 1000 ? `${Math.max(0, ms)} ms` : span(ms);
}

export interface RunningProps {
  readonly turns: readonly TurnJson[];
  readonly lanes: readonly LaneJson[];
  readonly now: number;
}

/** Turns that run, and how far each is with what waits for it. */
export function Running({ turns, lanes, now }: RunningProps) {
  if (turns.length === 0) return <Empty title="The line is quiet.">Turns show here while they run.</Empty>;
  return (
    <ul class="running">
      {turns.map((turn) => {
        const left =
          lanes.find((lane) => lane.direction === "turn" && lane.customer === turn.customer)?.entries ?? 0;
        const ours = turn.side === "provider";
        return (
          <li>
            <p>
              <strong>{turn.customer}</strong>
              <span class="soft">
                {" "}
                {ours ? "called" : "answered"} <Since at={turn.started} now={now} /> ago
              </span>
            </p>
            {ours && (
              <Bar
                part={turn.delivered / Math.max(1, turn.delivered + left)}
                label={`${many(left, "message")} to go`}
              />
            )}
            <p class="soft">
              {number(turn.delivered)} delivered, {size(turn.octets)}
              {ours && `, ${number(left)} to go`}
              {turn.refused > 0 && `, ${number(turn.refused)} refused`}
            </p>
          </li>
        );
      })}
    </ul>
  );
}
