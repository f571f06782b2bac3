#!/usr/bin/env node
// Builds what people get: `build` the binary of this machine, `release [FOLDER] [TARGET…]` archives, packages, SBOM and sums.
// The same commit gives the same octets: times are the commit's, owners nobody's, names in order.

import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { debOf } from "./deb.mjs";
import { runtimeFor } from "./runtimes.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** A target, and the architecture of its Debian package; the runtimes of other machines come from npm. */
const targets = {
  "linux-x64": { deb: "amd64" },
  "linux-arm64": { deb: "arm64" },
  "linux-x64-musl": {},
  "linux-arm64-musl": {},
  "darwin-x64": {},
  "darwin-arm64": {},
  "windows-x64": { ending: ".exe" },
};

/** Settings of the mail servers beside odmr: the page that they are cut out of is the one that the tests follow. */
const neighbours = [
  ["main.cf: in front", "postfix-in-front.cf"],
  ["main.cf: at home", "postfix-at-home.cf"],
  ["dovecot.conf", "dovecot-behind.conf"],
];

// Nothing of the folder that it is started in becomes part of the program: no .env, no bunfig.toml. What a command does
// not use is not loaded: split, --version takes half the time that it takes as one piece.
const flags = [
  ...["build", "--compile", "--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
  ...["--minify", "--bytecode", "--splitting", "--format=esm"],
];
const sources = ["cmd/odmr.ts", "src/spool/thread.ts"];

const [job = "build", ...words] = process.argv.slice(2);
if (job === "build") compile(join("dist", "odmr"), []);
else if (job === "release") {
  const names = words.filter((word) => Object.hasOwn(targets, word));
  const [folder = join("dist", `odmr-${version}`), ...rest] = words.filter((word) => !names.includes(word));
  if (rest.length > 0 || !folder.includes("/"))
    fail(
      `"${folder}" is neither a folder (./there) nor a target; there are ${Object.keys(targets).join(", ")}`,
    );
  release(names.length > 0 ? names : Object.keys(targets), folder);
} else fail(`what is "${job}"? There are build and release.`);

function release(names, out) {
  rmSync(out, { recursive: true, force: true });
  const common = commonFiles(join(out, "common"));
  for (const name of names) {
    const { deb, ending = "" } = targets[name];
    const folder = join(out, `odmr-${version}-${name}`);
    cpSync(common, folder, { recursive: true });
    const runtime = runtimeFor(name);
    const from = runtime === undefined ? [] : ["--compile-executable-path", runtime];
    compile(join(folder, `odmr${ending}`), [`--target=bun-${name}`, ...from]);
    if (deb !== undefined) debOf({ folder, arch: deb, version, out, mtime: mtime() });
    archive(folder);
    rmSync(folder, { recursive: true });
  }
  rmSync(common, { recursive: true });
  writeFileSync(join(out, `odmr-${version}.cdx.json`), sbom());
  cpSync(join("dist", "install.sh"), join(out, "install.sh"));
  const sums = readdirSync(out)
    .sort()
    .map(
      (file) =>
        `${createHash("sha256")
          .update(readFileSync(join(out, file)))
          .digest("hex")}  ${file}\n`,
    );
  writeFileSync(join(out, "SHA256SUMS"), sums.join(""));
  process.stdout.write(sums.join(""));
}

/** What goes with every binary: the files of dist/, the manual, the completions. */
function commonFiles(folder) {
  mkdirSync(join(folder, "completions"), { recursive: true });
  for (const file of ["README.md", "LICENSE"]) cpSync(file, join(folder, file));
  const ours = execFileSync("git", ["ls-files", "dist"], { encoding: "utf8" }).trim().split("\n");
  for (const file of ours.filter((file) => !file.startsWith("dist/debian/")))
    cpSync(file, join(folder, file.slice("dist/".length)));
  mkdirSync(join(folder, "examples"));
  for (const kind of ["relay", "home"]) odmr(["init", kind, join(folder, "examples", `${kind}.yaml`)]);
  const page = readFileSync(join("dist", "docs", "postfix.md"), "utf8");
  for (const [title, file] of neighbours) writeFileSync(join(folder, "examples", file), fence(page, title));
  odmr(["man", "--into", join(folder, "man")]);
  for (const [shell, file] of Object.entries({ bash: "odmr", zsh: "_odmr", fish: "odmr.fish" }))
    writeFileSync(join(folder, "completions", file), odmr(["completion", shell]));
  return folder;
}

/** The example of a page that has this title. */
function fence(page, title) {
  const start = `\n\`\`\`ini ${title}\n`;
  const at = page.indexOf(start);
  if (at < 0) throw new Error(`dist/docs/postfix.md has no "${title}"`);
  return page.slice(at + start.length, page.indexOf("```", at + start.length));
}

function archive(folder) {
  const tar = execFileSync(
    "tar",
    [
      ...[
        "--sort=name",
        `--mtime=@${mtime()}`,
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mode=go=rX,u+rw",
      ],
      ...["--format=ustar", "-C", dirname(folder), "-cf", "-", basename(folder)],
    ],
    { maxBuffer: 2 ** 30 },
  );
  writeFileSync(`${folder}.tar.gz`, gzipSync(tar, { level: 6 }));
}

/** What it is made of, without the two things that differ each time. */
function sbom() {
  const text = execFileSync("npm", ["sbom", "--omit=dev", "--sbom-format=cyclonedx"], { encoding: "utf8" });
  const { serialNumber: _, ...parts } = JSON.parse(text);
  const timestamp = new Date(mtime() * 1000).toISOString();
  return `${JSON.stringify({ ...parts, metadata: { ...parts.metadata, timestamp } }, null, 2)}\n`;
}

function compile(file, more) {
  mkdirSync(dirname(file), { recursive: true });
  const commit = commitOf();
  const define = commit === undefined ? [] : ["--define", `ODMR_COMMIT=${JSON.stringify(commit)}`];
  // bun names its temporary file after the output: one at a time in one folder.
  run([...flags, ...more, ...define, ...sources, "--outfile", file]);
  if (!existsSync(file) && existsSync(`${file}.exe`)) renameSync(`${file}.exe`, file);
}

/** The commit that is checked out; with a mark if the files are not quite it. */
function commitOf() {
  const git = (...args) => spawnSync("git", args, { encoding: "utf8" });
  const { status, stdout } = git("rev-parse", "HEAD");
  if (status !== 0) return undefined;
  const changed = git("status", "--porcelain", "--untracked-files=no").stdout !== "";
  return `${stdout.trim().slice(0, 12)}${changed ? "+" : ""}`;
}

/** Seconds since 1970: what SOURCE_DATE_EPOCH says, or when the commit was made. */
function mtime() {
  const { SOURCE_DATE_EPOCH } = process.env;
  const { stdout } = spawnSync("git", ["log", "-1", "--format=%ct"], { encoding: "utf8" });
  return Number(SOURCE_DATE_EPOCH ?? stdout ?? 0);
}

function odmr(args) {
  const { status, stdout } = spawnSync("node", [".ci/up.mjs", "bun", "cmd/odmr.ts", ...args], {
    encoding: "utf8",
  });
  if (status !== 0) fail(`odmr ${args.join(" ")} ended with ${status}`);
  return stdout;
}

function run(args) {
  const { status } = spawnSync("node", [".ci/up.mjs", "bun", ...args], { stdio: ["ignore", 2, 2] });
  if (status !== 0) fail(`bun ${args.join(" ")} ended with ${status}`);
}

function fail(why) {
  console.error(why);
  process.exit(1);
}
