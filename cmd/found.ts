/** What a command need not be told: a configuration that is looked for anyway, a unit that is installed. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { configPlaces } from "../src/config/load.ts";

/** Whether this very configuration is taken where none is named, from here and now. */
export function isFound(file: string): boolean {
  const first = configPlaces().find((place) => resolve(place) === resolve(file) || existsSync(place));
  return first !== undefined && resolve(first) === resolve(file);
}

const UNITS = [
  "/etc/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];

/** Whether systemd runs here, and knows this service. */
export const hasUnit = (name: string): boolean =>
  existsSync("/run/systemd/system") && UNITS.some((folder) => existsSync(join(folder, `${name}.service`)));
