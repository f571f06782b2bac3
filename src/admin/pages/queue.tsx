/** The queue: what waits, by filters, a page at a time; what is selected can be acted on. */
// Selecting and acting are one form that needs no script: the buttons lead to a page that asks once more.
/** @jsxImportSource hono/jsx */
import { type Desk, type Page as ListPage, type Query, Refused } from "../desk.ts";
import { DIRECTIONS, type EntryJson, SORTS, STATES } from "../schema.ts";
import { ACTIONS, words } from "./actions.ts";
import { asked, filtersOf, queueLink } from "./filters.ts";
import { Page, type View } from "./layout.tsx";
import { Empty, Icon, Pager, Since, Stamp } from "./parts.tsx";
import { many, number, size } from "./words.ts";

const LIMIT = "50";

export async function queue(desk: Desk, view: View, query: Query) {
  const filters = filtersOf(query);
  const [list, customers] = await Promise.all([found(desk, filters, query), desk.customers()]);
  const narrowed = Object.keys(filters).length > 0;
  return (
    <Page view={view} title="Queue" place="queue">
      <header class="lead">
        <h1>Queue</h1>
        <p id="count" data-live>
          {"why" in list ? "These filters are not understood." : told(list.count, narrowed)}
        </p>
      </header>
      <Filters filters={filters} sort={query.sort} customers={customers.map(({ name }) => name)} />
      {"why" in list ? (
        <p class="flash flash-bad" role="alert">
          {list.why}
        </p>
      ) : (
        <List list={list} filters={filters} query={query} view={view} />
      )}
    </Page>
  );
}

const told = (count: number, narrowed: boolean): string =>
  narrowed
    ? `${many(count, "message fits", "messages fit")} these filters.`
    : count === 0
      ? "Nothing waits."
      : `${many(count, "message waits", "messages wait")}.`;

interface Found extends ListPage<EntryJson> {
  readonly count: number;
}

async function found(
  desk: Desk,
  filters: Query,
  { sort, cursor }: Query,
): Promise<Found | { readonly why: string }> {
  const wish = asked(filters);
  try {
    const [page, count] = await Promise.all([
      desk.queue({ ...wish, sort: sort || undefined, cursor: cursor || undefined, limit: LIMIT }),
      desk.count(wish),
    ]);
    return { ...page, count };
  } catch (error) {
    if (error instanceof Refused && error.status === 400) return { why: error.message };
    throw error;
  }
}

interface FiltersProps {
  readonly filters: Query;
  readonly sort: string | undefined;
  readonly customers: readonly string[];
}

const texts = [
  { name: "domain", label: "Recipient’s domain", hint: "example.org" },
  { name: "olderThan", label: "Older than", hint: "3d, 12h" },
  { name: "newerThan", label: "Newer than", hint: "30m" },
  { name: "largerThan", label: "Larger than", hint: "10MiB" },
  { name: "smallerThan", label: "Smaller than", hint: "500kB" },
] as const;

function Filters({ filters, sort, customers }: FiltersProps) {
  const more = [...texts.map(({ name }) => name), "direction", "gone"].some(
    (name) => filters[name] !== undefined,
  );
  const names = [...new Set([...customers, ...(filters.customer ? [filters.customer] : [])])];
  return (
    <search>
      <form class="filters" method="get" action="/queue">
        <div class="field field-wide">
          <label for="recipient">Recipient</label>
          <input
            id="recipient"
            name="recipient"
            type="search"
            value={filters.recipient}
            placeholder="bob, or *@example.org"
            data-filter
          />
        </div>
        <div class="field field-wide">
          <label for="sender">Sender</label>
          <input
            id="sender"
            name="sender"
            type="search"
            value={filters.sender}
            placeholder="part of it, or <>"
          />
        </div>
        <Choice name="customer" label="Customer" value={filters.customer} from={names} none="all" />
        <Choice name="state" label="State" value={filters.state} from={STATES} none="any" />
        <Choice
          name="sort"
          label="Order"
          value={sort}
          from={SORTS.filter((each) => each !== "oldest")}
          none="oldest"
        />
        <details class="more" open={more}>
          <summary>More filters</summary>
          <div class="filters">
            <Choice
              name="direction"
              label="Direction"
              value={filters.direction}
              from={DIRECTIONS}
              none="all"
            />
            {texts.map(({ name, label, hint }) => (
              <div class="field">
                <label for={name}>{label}</label>
                <input id={name} name={name} value={filters[name]} placeholder={hint} />
              </div>
            ))}
            <label class="check">
              <input type="checkbox" name="gone" value="true" checked={filters.gone === "true"} /> also what
              has left
            </label>
          </div>
        </details>
        <div class="filters-end">
          <button type="submit">Filter</button>
          {Object.keys(filters).length > 0 && <a href="/queue">Clear</a>}
        </div>
      </form>
    </search>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly value: string | undefined;
  readonly from: readonly string[];
  /** What choosing nothing means. */
  readonly none: string;
}

function Choice({ name, label, value, from, none }: ChoiceProps) {
  return (
    <div class="field">
      <label for={name}>{label}</label>
      <select id={name} name={name}>
        <option value="">{none}</option>
        {from.map((each) => (
          <option selected={each === value}>{each}</option>
        ))}
      </select>
    </div>
  );
}

interface ListProps {
  readonly list: Found;
  readonly filters: Query;
  readonly query: Query;
  readonly view: View;
}

function List({ list: { items, next, count }, filters, query, view }: ListProps) {
  const narrowed = Object.keys(filters).length > 0;
  const link = (cursor?: string) => queueLink({ ...filters, sort: query.sort, cursor });
  return (
    <form id="list" class="card list" method="get" action="/queue/confirm" data-live>
      {Object.entries(filters).map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <input type="hidden" name="back" value={view.here} />
      {items.length === 0 ? (
        narrowed ? (
          <Empty title="No message fits.">
            <a href="/queue">Show all that waits</a>
          </Empty>
        ) : (
          <Empty title="No mail waits. The post is out." />
        )
      ) : (
        <EntryTable entries={items} view={view} />
      )}
      {items.length > 0 && view.full && <Acts count={count} shown={items.length} />}
      <Pager
        label="Pages of the queue"
        {...(query.cursor && { first: link() })}
        {...(next && { next: link(next) })}
      />
    </form>
  );
}

function EntryTable({ entries, view }: { readonly entries: readonly EntryJson[]; readonly view: View }) {
  return (
    <table class="table entries">
      <caption class="quiet">Messages</caption>
      <thead>
        <tr>
          {view.full && (
            <th scope="col" class="pick">
              <input type="checkbox" aria-label="Select all on this page" data-all hidden />
            </th>
          )}
          <th scope="col">Message</th>
          <th scope="col">Next hop</th>
          <th scope="col">State</th>
          <th scope="col" class="number">
            Size
          </th>
          <th scope="col" class="number">
            Age
          </th>
        </tr>
      </thead>
      <tbody>
        {entries.map((entry) => (
          <EntryRow entry={entry} view={view} />
        ))}
      </tbody>
    </table>
  );
}

function EntryRow({ entry, view }: { readonly entry: EntryJson; readonly view: View }) {
  const { id, subject, direction, customer, state } = entry;
  return (
    <tr data-row>
      {view.full && (
        <td class="pick">
          <input type="checkbox" name="id" value={id} aria-label={`Select “${titleOf(subject)}”`} />
        </td>
      )}
      <th scope="row" class="what">
        <a href={`/queue/${id}`}>{titleOf(subject)}</a>
        <span class="under address">
          {entry.sender || "<>"} → {recipientsOf(entry)}
        </span>
      </th>
      <td class="hop" data-label="Next hop">
        {customer || "the world"}
        <span class="under">{direction}</span>
      </td>
      <td class="state" data-label="State">
        <Stamp state={state} />
      </td>
      <td class="number size" data-label="Size">
        {size(entry.size)}
      </td>
      <td class="number age" data-label="Age">
        <Since at={entry.arrived} now={view.now} />
      </td>
    </tr>
  );
}

export const titleOf = (subject: string): string => subject || "(no subject)";

function recipientsOf({ recipients }: EntryJson): string {
  const [first, ...more] = recipients;
  return `${first?.address ?? "nobody"}${more.length > 0 ? ` and ${number(more.length)} more` : ""}`;
}

/** What can be done with those that are selected, or with all that fit. */
function Acts({ count, shown }: { readonly count: number; readonly shown: number }) {
  return (
    <fieldset class="acts">
      <legend class="quiet">With the selected messages</legend>
      <p class="acts-what">
        <span data-selected>With the selected:</span>
        {count > shown && (
          <label class="check">
            <input type="checkbox" name="all" value="true" /> all {number(count)} that fit
          </label>
        )}
      </p>
      <div class="acts-buttons">
        {ACTIONS.map((action) => (
          <button
            type="submit"
            name="action"
            value={action}
            class={words[action].grave ? "grave" : undefined}
          >
            {words[action].name}
          </button>
        ))}
      </div>
    </fieldset>
  );
}

/** The way back to where one came from. */
export function BackToQueue() {
  return (
    <a class="back" href="/queue">
      <Icon name="queue" /> Queue
    </a>
  );
}
