/** What we build upon: under licences that a user may take without a lawyer, running nothing at its installation. */
// Read from the lock file, which npm ci follows to the octet; a package that comes with another one is looked at too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { it } from "node:test";

interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
}

const root = new URL("../", import.meta.url);
const read = <T>(file: string): T => JSON.parse(readFileSync(new URL(file, root), "utf8")) as T;
const { packages } = read<{ readonly packages: Readonly<Record<string, Locked>> }>("package-lock.json");
const shipped = Object.entries(packages).filter(
  ([place, { dev, devOptional }]) => place !== "" && !dev && !devOptional,
);
const production = shipped.filter(([, { optional }]) => !optional);

/** None of them asks for more than its text; what is new here is for a person to look at. */
const ALLOWED = ["MIT", "MIT-0", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache-2.0", "Unlicense"];

/** Where one may choose, one of them is enough. */
const allowed = (license: string): boolean =>
  license
    .replace(/^\((.*)\)$/, "$1")
    .split(" OR ")
    .some((each) => ALLOWED.includes(each));

it("every package in the program has a licence of the list, in the lock file and in itself", () => {
  assert.ok(production.length > 20);
  const strange = production.flatMap(([place, { license = "none" }]) => {
    const own = read<{ readonly license?: string }>(`${place}/package.json`).license ?? "none";
    return allowed(license) && own === license ? [] : [`${place}: ${license}, ${own}`];
  });
  assert.deepEqual(strange, []);
});

it("what need not be there is bun alone, one package for each machine", () => {
  const others = shipped.filter(
    ([place, { optional, license }]) =>
      optional && !(/^node_modules\/(bun$|@oven\/bun-)/.test(place) && license === "MIT"),
  );
  assert.deepEqual(others, []);
});

it("no package in the program runs a script when it is installed", () => {
  const running = production.filter(([place, { hasInstallScript }]) => {
    const { scripts = {} } = read<{ readonly scripts?: object }>(`${place}/package.json`);
    const own = ["preinstall", "install", "postinstall"].some((name) => name in scripts);
    return hasInstallScript === true || own;
  });
  assert.deepEqual(running, []);
});

it("every package, of the program and of its making, is the one whose sum the lock file has", () => {
  const loose = Object.entries(packages).filter(
    ([place, { integrity = "" }]) => place !== "" && !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity),
  );
  assert.deepEqual(loose, []);
});
