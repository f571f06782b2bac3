// Bun for other machines, as npm has it: the very octets that package-lock.json names, or none.

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

const TRIES = 3;

/**
 * The executable of bun for a target such as linux-arm64-musl; fetched once, and kept beside the packages.
 * @returns its file; undefined: this machine's own bun is it
 */
export function runtimeFor(target) {
  const name = `@oven/bun-${target.replace("arm64", "aarch64")}`;
  if (existsSync(join("node_modules", name))) return undefined;
  const { version, integrity } = locked(name);
  const folder = join("node_modules", ".cache", "odmr", `${name}-${version}`);
  const file = join(folder, "bin", target.startsWith("windows") ? "bun.exe" : "bun");
  if (!existsSync(file)) fetched(name, { version, integrity, folder });
  return file;
}

function locked(name) {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
  const found = packages[`node_modules/${name}`];
  if (found === undefined)
    throw new Error(`package-lock.json has no ${name}: there is no bun for that target`);
  return found;
}

/** Whole or not at all: it is unpacked beside its place, and renamed. */
function fetched(name, { version, integrity, folder }) {
  mkdirSync(dirname(folder), { recursive: true });
  const place = mkdtempSync(`${folder}.`);
  try {
    const archive = packed(`${name}@${version}`, place);
    const [algorithm, sum] = integrity.split(/-(.*)/s);
    if (createHash(algorithm).update(readFileSync(archive)).digest("base64") !== sum)
      throw new Error(`${name}@${version} from the registry is not what package-lock.json says`);
    execFileSync("tar", ["-xzf", archive, "-C", place]);
    renameSync(join(place, "package"), folder);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** npm knows mirrors and proxies, and keeps what it fetched; a line that breaks is tried again. */
function packed(spec, place) {
  const words = ["pack", spec, "--ignore-scripts", "--json", "--pack-destination", place];
  for (let left = TRIES; left > 0; left -= 1) {
    const { status, stdout } = spawnSync("npm", words, { encoding: "utf8", stdio: ["ignore", "pipe", 2] });
    if (status === 0) return join(place, JSON.parse(stdout)[0].filename);
    console.error(`${spec} could not be fetched${left > 1 ? ", once more" : ""}`);
  }
  throw new Error(`npm cannot fetch ${spec}; see above`);
}
