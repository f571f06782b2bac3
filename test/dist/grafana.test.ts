/** The Grafana dashboard: right as a file, and every name and label in it is one that /metrics has. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";
import { openAdmin } from "../admin/support.ts";
import { START, stored } from "../spool/support.ts";

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
}
interface Dashboard {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const text = readFileSync(new URL("../../dist/grafana/odmr.json", import.meta.url), "utf8");
const { panels, annotations, templating } = JSON.parse(text) as Dashboard;
const queries = [
  ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...annotations.list.map(({ expr }) => expr),
  ...templating.list.flatMap(({ definition }) => definition ?? []),
];

/** Each series of /metrics as its name, and its labels' values by label. */
async function exposed(): Promise<ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>> {
  const admin = await openAdmin({
    process: () => ({ cpuSeconds: 1, residentBytes: 1, started: START / 1000 }),
  });
  await stored(admin.spool);
  await admin.spool.records.turn({ side: "provider", customer: "home", peer: "::1" }).end();
  const lines = await (await admin.ask("/metrics")).text();
  await admin.close();
  const found = new Map<string, Map<string, Set<string>>>();
  for (const [, name = "", labels = ""] of lines.matchAll(/^([a-z_]+)(?:\{(.*)\})? /gm)) {
    const of = found.get(name) ?? new Map<string, Set<string>>();
    for (const [, label = "", value = ""] of labels.matchAll(/([a-z]+)="([^"]*)"/g))
      of.set(label, (of.get(label) ?? new Set()).add(value));
    found.set(name, of);
  }
  return found;
}

/** Labels that Prometheus adds to whatever it scrapes. */
const SCRAPED = ["instance", "job"];

it("asks for series, labels and values that there are, and shows every series but the version", async () => {
  const series = await exposed();
  const asked = new Set<string>();
  for (const query of queries)
    for (const [, name = "", selector = ""] of query.matchAll(
      /\b((?:odmr|process)_[a-z_]+)(?:\{([^}]*)\})?/g,
    )) {
      asked.add(name);
      const labels = series.get(name) ?? assert.fail(`${name} in ${query}`);
      for (const [, label = "", value = ""] of selector.matchAll(/(\w+)=~?"([^"]*)"/g)) {
        assert.ok(labels.has(label) || SCRAPED.includes(label), `${label} of ${name} in ${query}`);
        for (const each of value.startsWith("$") ? [] : value.split("|"))
          assert.ok(labels.get(label)?.has(each), `${label}="${each}" of ${name} in ${query}`);
      }
      for (const [, by = ""] of query.matchAll(/\bby \(([^)]*)\)/g))
        for (const label of by.split(", "))
          assert.ok(labels.has(label) || SCRAPED.includes(label), `by (${label}) in ${query}`);
    }
  assert.deepEqual(
    [...series.keys()].filter((name) => !asked.has(name)),
    [],
  );
});

it("names in its legends the labels that are left, and in its queries the variables that it has", () => {
  const variables = ["__rate_interval", ...templating.list.map(({ name }) => name)];
  for (const query of queries)
    for (const [, name = ""] of query.matchAll(/\$(\w+)/g))
      assert.ok(variables.includes(name), `$${name} in ${query}`);
  for (const { expr, legendFormat } of panels.flatMap(({ targets = [] }) => targets)) {
    const left =
      /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(", ") ?? (/^(?:sum|max)\(/.test(expr) ? [] : SCRAPED);
    for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
      assert.ok(left.includes(label), `{{${label}}} of ${expr}`);
  }
});

it("lays its panels out beside each other, none over another", () => {
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos } of panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.equal(taken.get(`${x},${y}`), undefined, title);
        taken.set(`${x},${y}`, title);
      }
  }
});
