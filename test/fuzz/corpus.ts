/** What a fuzz target is, and the octets that mutations start from: the golden talks, by side. */
// A talk that is added to test/dialogs/ is fuzzed from then on.
import { readdirSync, readFileSync } from "node:fs";
import { parseDialog } from "../support/dialog.ts";

export interface Target {
  readonly name: string;
  readonly corpus: readonly Uint8Array[];
  /** @throws when a promise is broken */
  run(octets: Uint8Array): void | Promise<void>;
  close?(): Promise<void>;
}

export const latin1 = (octets: Uint8Array): string => Buffer.from(octets).toString("latin1");
export const octetsOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

const folder = new URL("../dialogs/", import.meta.url);
const dialogs = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), "utf8"));

/** All that clients say in the golden talks. */
export const clients: readonly Uint8Array[] = dialogs.map((text) =>
  Buffer.concat(parseDialog(text).steps.map(({ says }) => says)),
);

/** All that servers say in them. */
export const servers: readonly Uint8Array[] = dialogs.map((text) =>
  octetsOf(
    text
      .split("\n")
      .flatMap((line) => (line.startsWith("S: ") ? [`${line.slice(3)}\r\n`] : []))
      .join(""),
  ),
);
