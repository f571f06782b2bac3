/** The runtimes as npm brought them: for tests that need one of them by name, whichever runs the tests. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** Where its install script puts it; where npm did, if that was not allowed to run. @throws if there is none */
export function binaryOf(runtime: "bun" | "deno"): string {
  const own = { bun: "bun/bin/bun.exe", deno: "deno/deno" }[runtime];
  const [scope, file] = runtime === "bun" ? ["@oven", "bin/bun"] : ["@deno", "deno"];
  const folder = join(modules, scope);
  const builds = existsSync(folder) ? readdirSync(folder).map((build) => join(folder, build, file)) : [];
  const found = [join(modules, own), ...builds].find((each) => existsSync(each));
  if (found === undefined) throw new Error(`no ${runtime} in ${modules}; run npm ci`);
  return found;
}
