/** What the schema says of a key: its sentence and the keys below it, read from the JSON Schema of the same source. */

import { z } from "zod";
import { settingsIn } from "./schema.ts";

/** A part of a JSON Schema, as far as it is asked here. */
export interface Described {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Described>>;
  readonly items?: Described;
  readonly anyOf?: readonly Described[];
}

/** The JSON Schema of a configuration file, for editors. */
export function jsonSchema(): Described & Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(settingsIn("."), { io: "input", target: "draft-2020-12" });
  return { ...schema, title: "odmr.yaml" } as Described & Readonly<Record<string, unknown>>;
}

/** What stands at a path of keys (list positions left out); undefined if there is nothing. */
export function describedAt(path: readonly string[], root: Described = jsonSchema()): Described | undefined {
  let at: Described | undefined = root;
  for (const key of path) at = group(at)?.properties?.[key];
  return at;
}

/** The keys that may stand below a path. */
export const keysAt = (path: readonly string[]): readonly string[] =>
  Object.keys(group(describedAt(path))?.properties ?? {});

/** The part that has keys: a list's elements, or the one form of several that is a group. */
function group(at: Described | undefined): Described | undefined {
  if (at?.items !== undefined) return group(at.items);
  return at?.properties === undefined
    ? at?.anyOf?.map(group).find((each) => each?.properties !== undefined)
    : at;
}
