/** Whatever is asked, in the document's own terms or against them, is answered by what the document says, and never by a bug. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { z } from "zod";
import { routes } from "../../src/admin/routes.ts";
import type { Random } from "../../src/platform/random.ts";
import { HOME, seeded, stored, WORK } from "../spool/support.ts";
import { type Admin, openAdmin } from "./support.ts";

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly format?: string;
  readonly minimum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
}
interface Parameter {
  readonly name: string;
  readonly in: "query" | "path" | "header";
  readonly required?: boolean;
  readonly schema: Schema;
}
interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const texts = [
  ...[
    "",
    "0",
    "1",
    "100",
    "1000",
    "1001",
    "-1",
    "1e9",
    "99999999999999999999",
    "1.5",
    "NaN",
    "true",
    "false",
  ],
  ...[
    "home",
    "nobody",
    "example.org",
    "*",
    "*@example.org",
    "<>",
    "?",
    "%",
    "_",
    "\\",
    "'",
    "'; DROP TABLE message --",
  ],
  ...["10MiB", "1.5kB", "3d", "1h30m", "9999999999999999d", "1m", "5-10", "0-0", "9999999999999999-1", "1"],
  ...[
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:05+23:59",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
  ],
  ...[
    "waiting",
    "held",
    "turn",
    "oldest",
    "done",
    "provider",
    "hold",
    "\0",
    "\r\nX: y",
    "\x1b[2J",
    "\u{1f980}",
    "\ud800",
  ],
  ...[
    "../../etc/passwd",
    "%2e%2e",
    "<script>",
    "{}",
    "[]",
    "null",
    "*".repeat(300),
    "a*".repeat(200),
    "x".repeat(600),
  ],
];

class Fuzz {
  readonly #random: Random;
  readonly #schemas: Document["components"]["schemas"];
  readonly #texts: readonly string[];

  constructor(random: Random, { components }: Document, ids: readonly string[]) {
    this.#random = random;
    this.#schemas = components.schemas;
    this.#texts = [...texts, ...ids];
  }

  often(chance: number): boolean {
    return this.#random.fraction() < chance;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random.fraction() * from.length)]!;
  }

  /** Mostly what fits the schema, and now and then what does not. */
  value(schema: Schema, wrong = 0.15): unknown {
    if (schema.$ref !== undefined)
      return this.value(this.#schemas[schema.$ref.split("/").at(-1) ?? ""] ?? {}, wrong);
    if (this.often(wrong)) return this.anything();
    if (schema.enum !== undefined) return this.pick(schema.enum);
    switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
      case "string":
        return this.text(schema);
      case "integer":
      case "number":
        return this.pick([schema.minimum ?? 0, 1, 50, 2 ** 31, 2 ** 53]);
      case "boolean":
        return this.often(0.5);
      case "array":
        return Array.from({ length: this.pick([0, 1, 2, 5]) }, () => this.value(schema.items ?? {}, wrong));
      case "object":
        return Object.fromEntries(
          Object.entries(schema.properties ?? {})
            .filter(([name]) => schema.required?.includes(name) || this.often(0.35))
            .map(([name, of]) => [name, this.value(of, wrong)]),
        );
      default:
        return this.anything();
    }
  }

  text({ pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY, format }: Schema): string {
    const fits = this.#texts.filter(
      (each) =>
        each.length >= minLength &&
        each.length <= maxLength &&
        (pattern === undefined || new RegExp(pattern).test(each)) &&
        (format !== "date-time" || /^\d{4}-/.test(each)),
    );
    return this.pick(fits.length > 0 ? fits : this.#texts);
  }

  anything(): unknown {
    return this.pick<unknown>([
      ...[null, -1, 1.5, 2 ** 60, true, [], {}, [[[[[]]]]], { __proto__: 1 }, { constructor: { name: 1 } }],
      ...this.#texts,
    ]);
  }
}

/** What the query string or the path says of a value. */
const written = (value: unknown): string => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return encodeURIComponent(text.toWellFormed());
};

function requestOf(
  fuzz: Fuzz,
  path: string,
  { parameters = [], requestBody }: Operation,
): [string, RequestInit] {
  let place = path;
  const query: string[] = [];
  for (const { name, in: where, required, schema } of parameters) {
    if (where === "path") place = place.replace(`{${name}}`, written(fuzz.value(schema, 0.1)) || "-");
    else if (required === true || fuzz.often(0.3)) query.push(`${name}=${written(fuzz.value(schema))}`);
  }
  const schema = requestBody?.content["application/json"]?.schema;
  const body =
    schema === undefined || fuzz.often(0.05) ? undefined : JSON.stringify(fuzz.value(schema, 0.05));
  const type = fuzz.often(0.95) ? "application/json" : fuzz.pick(["text/plain", "", "multipart/form-data"]);
  return [
    `${place}${query.length > 0 ? `?${query.join("&")}` : ""}`,
    body === undefined
      ? {}
      : { body: fuzz.often(0.97) ? body : body.slice(0, -1), headers: { "content-type": type } },
  ];
}

/** The schema that a fine answer of a route must fit. */
function answerSchema(method: string, path: string): z.ZodType | undefined {
  const route = Object.values(routes).find((each) => each.method === method && each.path === path);
  const fine = route && Object.entries(route.responses).find(([status]) => status.startsWith("2"))?.[1];
  const content = (fine as { content?: Record<string, { schema: z.ZodType }> } | undefined)?.content;
  return content?.["application/json"]?.schema;
}

async function populate({ spool }: Admin): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let i = 0; i < 12; i++) ids.push(await stored(spool, { lane: i % 3 === 0 ? WORK : HOME }));
  await spool.records.turn({ side: "provider", customer: "home", peer: "::1" }).end("the line was lost");
  const rule = await spool.records.addHoldRule({ sender: "*@spam.example", reason: "", actor: "test" });
  return [...ids, rule.id, "01900000-0000-7000-8000-000000000000"];
}

const ROUNDS = 30;

describe("the admin interface, asked at random,", () => {
  for (const seed of [1, 2, 3])
    it(`answers as its document says, and never with a bug (seed ${seed})`, async () => {
      const admin = await openAdmin();
      try {
        const document = await admin.read<Document>("/openapi.json");
        const fuzz = new Fuzz(seeded(seed), document, await populate(admin));
        let fine = 0;
        for (let round = 0; round < ROUNDS; round++)
          for (const [path, operations] of Object.entries(document.paths))
            for (const [method, operation] of Object.entries(operations)) {
              const [place, init] = requestOf(fuzz, path, operation);
              const response = await admin.ask(place, { ...init, method: method.toUpperCase() });
              const asked = `${method} ${place} ${init.body ?? ""}`;
              const { status } = response;
              // A path that was bent may be another route's, or nobody's.
              assert.ok(
                status === 404 || Object.hasOwn(operation.responses, String(status)),
                `${status}: ${asked}`,
              );
              if (status >= 400)
                assert.equal(response.headers.get("content-type"), "application/problem+json", asked);
              if (response.headers.get("content-type") === "application/json") {
                const answer: unknown = await response.json();
                if (place.startsWith(path)) answerSchema(method, path)?.parse(answer);
              } else await response.body?.cancel();
              if (status < 300) fine++;
            }
        assert.ok(fine > 150, `${fine} were fine`);
      } finally {
        await admin.close();
      }
    });
});
