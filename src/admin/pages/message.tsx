/** One message: its envelope, what became of each recipient, its history, and what it says. */
// Its text was written by a stranger: it is read from its octets, bounded, and shown as text.
/** @jsxImportSource hono/jsx */
import { type Contents, readContents } from "../../mail/reading.ts";
import type { Desk } from "../desk.ts";
import type { EntryJson, EventJson } from "../schema.ts";
import { ACTIONS, words } from "./actions.ts";
import { EventLine } from "./events.tsx";
import { Page, type View } from "./layout.tsx";
import { Stamp, Table, When } from "./parts.tsx";
import { BackToQueue, titleOf } from "./queue.tsx";
import { size } from "./words.ts";

/** Octets of a message that are read for display. */
const READ = 512 * 1024;

export async function message(desk: Desk, view: View, id: string) {
  const [entry, history, content] = await Promise.all([desk.entry(id), desk.historyOf(id), desk.message(id)]);
  const contents = content && readContents(await beginningOf(content, READ));
  return (
    <Page view={view} title={titleOf(entry.subject)} place="queue">
      <header class="lead">
        <BackToQueue />
        <h1>{titleOf(entry.subject)}</h1>
      </header>
      <div id="message" data-live>
        <p class="message-state">
          <Stamp state={entry.state} />
          <span class="soft">
            {size(entry.size)}, arrived <When at={entry.arrived} now={view.now} />
          </span>
        </p>
        {view.full && isHere(entry) && <Acts id={entry.id} view={view} />}
        <div class="columns">
          <div class="stack">
            <section class="card" aria-labelledby="recipients">
              <h2 id="recipients">Recipients</h2>
              <Recipients entry={entry} now={view.now} />
            </section>
            <section class="card" aria-labelledby="envelope">
              <h2 id="envelope">Envelope</h2>
              <Envelope entry={entry} now={view.now} />
            </section>
            <section class="card" aria-labelledby="says">
              <h2 id="says">The message</h2>
              {contents === undefined ? (
                <p class="soft">Its octets have left with its last recipient.</p>
              ) : (
                <Reading contents={contents} id={entry.id} octets={entry.size} />
              )}
            </section>
          </div>
          <section class="card" aria-labelledby="history">
            <h2 id="history">History</h2>
            <History events={history.items} now={view.now} />
          </section>
        </div>
      </div>
    </Page>
  );
}

const HERE = new Set(["waiting", "leased", "held"]);
const isHere = ({ recipients }: EntryJson): boolean => recipients.some(({ state }) => HERE.has(state));

/** The first octets of a body; the rest is not fetched. */
async function beginningOf({ body }: Response, most: number): Promise<Uint8Array> {
  const octets = new Uint8Array(most);
  let length = 0;
  if (body === null) return octets.subarray(0, 0);
  for await (const piece of body) {
    const room = piece.subarray(0, most - length);
    octets.set(room, length);
    length += room.length;
    if (length === most) break;
  }
  return octets.subarray(0, length);
}

function Acts({ id, view }: { readonly id: string; readonly view: View }) {
  return (
    <form class="acts acts-one" method="get" action="/queue/confirm">
      <input type="hidden" name="id" value={id} />
      <input type="hidden" name="back" value={view.here} />
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
    </form>
  );
}

const recipientColumns = [
  { name: "Recipient" },
  { name: "State" },
  { name: "Tries", number: true },
  { name: "Next try" },
];

function Recipients({ entry, now }: { readonly entry: EntryJson; readonly now: number }) {
  return (
    <Table caption="Recipients" columns={recipientColumns}>
      {entry.recipients.map(({ address, state, attempts, nextAttempt, reply }) => (
        <tr>
          <th scope="row" class="address">
            {address}
            {reply !== null && <span class="under mono">{reply}</span>}
          </th>
          <td data-label="State">
            <Stamp state={state} />
          </td>
          <td data-label="Tries" class="number">
            {attempts}
          </td>
          <td data-label="Next try">{nextAttempt === null ? "–" : <NextTry at={nextAttempt} now={now} />}</td>
        </tr>
      ))}
    </Table>
  );
}

function NextTry({ at, now }: { readonly at: string; readonly now: number }) {
  return new Date(at).getTime() <= now ? "with the next call" : <When at={at} now={now} />;
}

function Envelope({ entry, now }: { readonly entry: EntryJson; readonly now: number }) {
  const { id, sender, direction, customer, arrived, expires, source } = entry;
  return (
    <dl class="facts">
      <dt>From</dt>
      <dd class="address">{sender || "<> (the null sender: a notice, never answered)"}</dd>
      <dt>Next hop</dt>
      <dd>
        {customer || "the world"} <span class="soft">({direction})</span>
      </dd>
      <dt>Arrived</dt>
      <dd>
        <When at={arrived} now={now} />
      </dd>
      <dt>Expires</dt>
      <dd>
        <When at={expires} now={now} />
      </dd>
      <dt>By</dt>
      <dd>
        {source.protocol} from <span class="mono">{source.peer}</span>
        {source.auth !== null && ` as ${source.auth}`}
      </dd>
      <dt>Id</dt>
      <dd class="mono">{id}</dd>
    </dl>
  );
}

function History({ events, now }: { readonly events: readonly EventJson[]; readonly now: number }) {
  return (
    <ol class="events timeline">
      {events.map((event) => (
        <EventLine event={event} now={now} />
      ))}
    </ol>
  );
}

const SHOWN = new Set(["from", "to", "cc", "reply-to", "date", "subject", "message-id"]);

function Reading({
  contents,
  id,
  octets,
}: {
  readonly contents: Contents;
  readonly id: string;
  readonly octets: number;
}) {
  const first = contents.fields.filter(({ name }) => SHOWN.has(name.toLowerCase()));
  return (
    <>
      <dl class="facts">
        {first.map(({ name, value }) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
      </dl>
      <details>
        <summary>All {contents.fields.length} fields</summary>
        <section class="text" tabindex={0} aria-label="Header">
          <pre class="mono">{contents.fields.map(({ name, value }) => `${name}: ${value}`).join("\n")}</pre>
        </section>
      </details>
      {contents.fromHtml && <p class="hint">It has no plain text; this was made from its HTML.</p>}
      <section class="text" tabindex={0} aria-label="Text">
        <pre>{contents.text.trim() || "(no text)"}</pre>
      </section>
      {contents.parts.length > 0 && (
        <ul class="plain-list" aria-label="Attachments">
          {contents.parts.map(({ type, name, octets }) => (
            <li>
              {name || "(no name)"}{" "}
              <span class="soft">
                {type}, {size(octets)} as it travels
              </span>
            </li>
          ))}
        </ul>
      )}
      <p class="reading-end">
        <a class="button" href={`/queue/${id}/message.eml`} download>
          Download the message
        </a>{" "}
        <span class="soft">
          {size(octets)}, as it is{octets > READ && `; only its first ${size(READ)} were read for this page`}
        </span>
      </p>
    </>
  );
}
