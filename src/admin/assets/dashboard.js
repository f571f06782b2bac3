/** Makes the pages live and quick. Without it they are the same pages, to be loaded anew by hand. */
// What is new comes from the server as a page, and replaces the parts that are marked data-live.

const QUIET = 1000;
const rows = () => [...document.querySelectorAll("[data-row]")];
const ticks = () => [...document.querySelectorAll('input[name="id"][type="checkbox"]')];
const ticked = () => ticks().filter((tick) => tick.checked);

/** Hours in the reader's own time; the date behind "3 hours ago" too. */
function localTimes(within) {
  const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const hours = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  for (const time of within.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    if (time.hasAttribute("data-hour")) time.textContent = hours.format(at);
    else time.title = dates.format(at);
  }
}

/** What is selected, said and shown; the box above all others follows them. */
function selection() {
  const all = document.querySelector("[data-all]");
  const said = document.querySelector("[data-selected]");
  if (all === null || said === null) return;
  const count = ticked().length;
  all.hidden = false;
  all.checked = count > 0 && count === ticks().length;
  all.indeterminate = count > 0 && !all.checked;
  said.textContent = count === 0 ? "Select messages:" : `With the ${count} selected:`;
}

document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-all]")) for (const tick of ticks()) tick.checked = target.checked;
  if (target.matches('[data-all], input[name="id"]')) selection();
});

/** `/` to the filter, `j` and `k` through the list, `x` selects, Enter opens. */
const keys = {
  "/": () => document.querySelector("[data-filter]")?.focus(),
  j: () => step(1),
  k: () => step(-1),
  x: () => document.querySelector('.at input[name="id"]')?.click(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

function step(by) {
  const all = rows();
  const at = all.findIndex((row) => row.classList.contains("at"));
  const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
  all[at]?.classList.remove("at");
  next?.classList.add("at");
  next?.querySelector("a")?.focus();
}

/** Loads this page anew and puts its live parts in the place of the old ones; what is selected stays so. */
async function refresh() {
  if (ticked().length > 0) return say("The queue has changed. It is shown anew when nothing is selected.");
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (response.redirected) return location.reload();
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh === null || part.innerHTML === fresh.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? keyOf(document.activeElement) : undefined;
    const open = [...part.querySelectorAll("details")].map((each) => each.open);
    part.replaceWith(document.adoptNode(fresh));
    fresh.querySelectorAll("details").forEach((each, i) => {
      each.open = open[i] ?? false;
    });
    localTimes(fresh);
    if (focused)
      [...fresh.querySelectorAll("a, button, input, summary")]
        .find((each) => keyOf(each) === focused)
        ?.focus();
  }
  selection();
}

/** By what an element can be found again. */
function keyOf(element) {
  return `${element.tagName} ${element.getAttribute("href") ?? ""} ${element.name ?? ""} ${element.value ?? ""}`;
}

function say(text) {
  const news = document.getElementById("news");
  if (news !== null && news.textContent !== text) news.textContent = text;
}

/** Many changes at once are one look. Nobody looks at a hidden page. */
function follow() {
  let due = false;
  let behind = false;
  const look = async () => {
    due = false;
    behind = document.hidden;
    // A relay that is away for a moment is looked at again with the next change.
    if (!behind) await refresh().catch(() => {});
  };
  const changed = () => {
    if (!due) setTimeout(look, QUIET);
    due = true;
  };
  const told = ({ data }) => {
    const { customer, state, delivered } = JSON.parse(data);
    if (state === "running") say(`A turn of ${customer} is on the line.`);
    else say(`The turn of ${customer} has ended: ${delivered} delivered.`);
    changed();
  };
  const source = new EventSource("/live");
  source.addEventListener("change", changed);
  source.addEventListener("missed", changed);
  source.addEventListener("turn", told);
  document.addEventListener("visibilitychange", () => {
    if (behind && !document.hidden) changed();
  });
}

localTimes(document);
selection();
if (document.querySelector("[data-live]") !== null) follow();
