/** MTA-STS policies in a file: a restart must not forget what an attacker then could hide (RFC 8461 §10.2). */
// Written anew beside the old one and renamed: whoever reads finds one of the two whole.
import { dirname } from "node:path";
import type { Files } from "./files.ts";
import type { PolicyShelf, StsPolicy } from "./sts.ts";

export function policyShelf(path: string, files: Files): PolicyShelf {
  return {
    async load() {
      if ((await files.stat(path)) === undefined) return [];
      const pieces: Uint8Array[] = [];
      for await (const piece of files.read(path)) pieces.push(piece);
      const kept: unknown = JSON.parse(Buffer.concat(pieces).toString("utf8"));
      return Array.isArray(kept) ? kept.filter(isPolicy) : [];
    },
    async store(policies) {
      const fresh = `${path}.new`;
      await files.unlink(fresh);
      const file = await files.create(fresh);
      try {
        await file.append(new TextEncoder().encode(JSON.stringify(policies)));
        await file.sync();
      } finally {
        await file.close();
      }
      await files.rename(fresh, path);
      await files.syncFolder(dirname(path));
    },
  };
}

function isPolicy(entry: unknown): entry is StsPolicy {
  if (typeof entry !== "object" || entry === null) return false;
  const { domain, id, mode, mx, fetched, until } = entry as Readonly<Record<string, unknown>>;
  return (
    [domain, id, mode].every((each) => typeof each === "string") &&
    [fetched, until].every((each) => typeof each === "number") &&
    Array.isArray(mx) &&
    mx.every((host) => typeof host === "string")
  );
}
