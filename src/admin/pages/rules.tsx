/** Hold rules: new mail that fits one is kept back until somebody looks at it. */
// What a rule held stays held when the rule goes.
/** @jsxImportSource hono/jsx */
import type { Desk } from "../desk.ts";
import type { RuleJson } from "../schema.ts";
import { Page, type View } from "./layout.tsx";
import { Empty, FormToken, Table, When } from "./parts.tsx";
import { size } from "./words.ts";

export async function rules(desk: Desk, view: View) {
  const [all, customers] = await Promise.all([desk.rules(), desk.customers()]);
  return (
    <Page view={view} title="Hold rules" place="rules">
      <header class="lead">
        <h1>Hold rules</h1>
        <p>New mail that fits a rule is held until somebody releases it.</p>
      </header>
      <section class="card" aria-label="Rules">
        {all.length === 0 ? (
          <Empty title="No rules.">All mail goes its way.</Empty>
        ) : (
          <RuleTable rules={all} view={view} />
        )}
      </section>
      {view.full && <NewRule customers={customers.map(({ name }) => name)} view={view} />}
    </Page>
  );
}

function RuleTable({ rules, view }: { readonly rules: readonly RuleJson[]; readonly view: View }) {
  const columns = [
    { name: "Holds" },
    { name: "Why" },
    { name: "Made" },
    ...(view.full ? [{ name: "Remove", quiet: true }] : []),
  ];
  return (
    <Table caption="Hold rules" columns={columns}>
      {rules.map((rule) => (
        <tr>
          <th scope="row" class="address">
            {inWords(rule)}
          </th>
          <td data-label="Why">{rule.reason || <span class="soft">–</span>}</td>
          <td data-label="Made">
            <When at={rule.made} now={view.now} />
            <span class="under">{rule.actor}</span>
          </td>
          {view.full && (
            <td class="end">
              <form method="post" action={`/rules/${rule.id}/remove`}>
                <FormToken token={view.formToken} />
                <button type="submit" class="grave" aria-label={`Remove the rule: ${inWords(rule)}`}>
                  Remove
                </button>
              </form>
            </td>
          )}
        </tr>
      ))}
    </Table>
  );
}

function inWords({ sender, recipient, customer, largerThan }: RuleJson): string {
  return [
    "mail",
    ...(sender === null ? [] : [`from ${sender}`]),
    ...(recipient === null ? [] : [`to ${recipient}`]),
    ...(customer === null ? [] : [`for ${customer}`]),
    ...(largerThan === null ? [] : [`over ${size(largerThan)}`]),
  ].join(" ");
}

function NewRule({ customers, view }: { readonly customers: readonly string[]; readonly view: View }) {
  return (
    <section class="card" aria-labelledby="new">
      <h2 id="new">A new rule</h2>
      <form class="filters" method="post" action="/rules">
        <FormToken token={view.formToken} />
        <div class="field field-wide">
          <label for="sender">Sender</label>
          <input id="sender" name="sender" placeholder="*@example.com, or <>" />
        </div>
        <div class="field field-wide">
          <label for="recipient">Recipient</label>
          <input id="recipient" name="recipient" placeholder="*@example.org" />
        </div>
        <div class="field">
          <label for="customer">Customer</label>
          <select id="customer" name="customer">
            <option value="">all</option>
            {customers.map((name) => (
              <option>{name}</option>
            ))}
          </select>
        </div>
        <div class="field">
          <label for="largerThan">Larger than</label>
          <input id="largerThan" name="largerThan" placeholder="10MiB" />
        </div>
        <div class="field field-wide">
          <label for="reason">Why</label>
          <input id="reason" name="reason" maxlength={500} placeholder="for the history" />
        </div>
        <div class="filters-end">
          <button type="submit" class="primary">
            Hold such mail
          </button>
        </div>
      </form>
    </section>
  );
}
