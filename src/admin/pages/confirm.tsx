/** Asks once more: what will be done, with which messages, and why. */
// It changes nothing itself; what it shows is what the button acts on.
/** @jsxImportSource hono/jsx */
import { type Desk, type Query, Refused } from "../desk.ts";
import { type ActionName, words } from "./actions.ts";
import { asked, filtersOf, frozen } from "./filters.ts";
import { Page, type View } from "./layout.tsx";
import { FormToken } from "./parts.tsx";
import { titleOf } from "./queue.tsx";
import { many, number } from "./words.ts";

/** Messages that are shown by name. */
const SHOWN = 10;

export interface Wish {
  readonly action: ActionName;
  /** Those of the list that were selected. */
  readonly ids: readonly string[];
  /** All that the filters choose, instead. */
  readonly all: boolean;
  readonly query: Query;
  readonly back: string;
}

export async function confirm(desk: Desk, view: View, { action, ids, all, query, back }: Wish) {
  const filters = filtersOf(query);
  const filter = all ? frozen(filters, view.now) : { ids };
  if (filter === undefined) throw new Refused(400, "These filters are not understood.");
  if (!all && ids.length === 0)
    throw new Refused(400, "Nothing was selected. Go back and tick the messages that you mean.");
  const wish = all ? asked(filters) : { ids: ids.join(","), gone: "true" };
  const [{ items }, count, customers] = await Promise.all([
    desk.queue({ ...wish, limit: String(SHOWN) }),
    all ? desk.count(wish) : ids.length,
    action === "move" ? desk.customers() : [],
  ]);
  const { name, means, grave } = words[action];
  const title = `${name}: ${many(count, "message")}`;
  return (
    <Page view={view} title={title} place="queue">
      <form class="card confirm" method="post" action="/queue/act">
        <h1>{title}</h1>
        <p class="soft">
          {count === 1 ? means : means.replace("It is ", "They are ").replace(/^It /, "Each ")}
        </p>
        <ul class="plain-list">
          {items.map(({ id, subject, sender, recipients }) => (
            <li>
              <a href={`/queue/${id}`}>{titleOf(subject)}</a>
              <span class="under address">
                {sender || "<>"} → {recipients.map(({ address }) => address).join(", ")}
              </span>
            </li>
          ))}
          {count > items.length && <li class="soft">and {number(count - items.length)} more</li>}
        </ul>
        {action === "move" && (
          <div class="field">
            <label for="to">To which customer</label>
            <select id="to" name="customer" required>
              {customers.map((customer) => (
                <option>{customer.name}</option>
              ))}
            </select>
          </div>
        )}
        <div class="field">
          <label for="reason">Why</label>
          <input id="reason" name="reason" maxlength={500} placeholder="for the history; may stay empty" />
        </div>
        <FormToken token={view.formToken} />
        <input type="hidden" name="action" value={action} />
        <input type="hidden" name="filter" value={JSON.stringify(filter)} />
        {all && Object.keys(filter).length === 0 && <input type="hidden" name="all" value="true" />}
        <input type="hidden" name="back" value={back} />
        <div class="confirm-end">
          <button type="submit" class={grave ? "grave primary" : "primary"}>
            {name}
          </button>
          <a href={back}>Leave it</a>
        </div>
      </form>
    </Page>
  );
}
