/** A release as its users get it: unpacked, installed, upgraded, removed, and run where there is next to nothing else. */
// One release of this machine's target is built for all of it; the installations are real, on a layer that is thrown away.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import { withPeers } from "../support/processes.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { version } = manifest;
const arch = process.arch === "arm64" ? "arm64" : "x64";
const name = `odmr-${version}-linux-${arch}`;
const peers = withPeers("dpkg-deb", "npm", "tar");
const skip =
  peers.skip ||
  (process.platform !== "linux" && "releases are made on Linux") ||
  (!process.env.CI && !process.env.ODMR_RELEASE && "a release takes long: CI=true or ODMR_RELEASE=1");
const needsRoot = process.getuid?.() !== 0 && "mounts are for root";

describe("a release", { skip }, () => {
  let place = "";
  const at = (...names: readonly string[]): string => join(place, ...names);
  const sh = (script: string, ...words: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync("sh", ["-ec", script, "sh", ...words], {
      cwd: place,
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  };

  before(
    () => {
      place = mkdtempSync(join(tmpdir(), "odmr-release-"));
      const words = [".ci/release.mjs", "release", at("out"), `linux-${arch}`];
      const { status, stderr } = spawnSync("node", words, { cwd: root, encoding: "utf8" });
      assert.equal(status, 0, stderr);
      execFileSync("tar", ["-xzf", at("out", `${name}.tar.gz`), "-C", place]);
    },
    { timeout: 300_000 },
  );
  after(() => rmSync(place, { recursive: true, force: true }));

  it("names every file in SHA256SUMS, with its sum", () => {
    const files = readdirSync(at("out"))
      .filter((file) => file !== "SHA256SUMS")
      .sort();
    assert.deepEqual(
      files,
      [
        "install.sh",
        `${name}.tar.gz`,
        `odmr-${version}.cdx.json`,
        `odmr_${version}_${arch === "x64" ? "amd64" : "arm64"}.deb`,
      ].sort(),
    );
    const sums = files.map(
      (file) =>
        `${createHash("sha256")
          .update(readFileSync(at("out", file)))
          .digest("hex")}  ${file}\n`,
    );
    assert.equal(readFileSync(at("out", "SHA256SUMS"), "utf8"), sums.join(""));
  });

  it("says its version and commit, and reads no .env and no bunfig.toml where it is started", () => {
    mkdirSync(at("trap"));
    writeFileSync(at("trap", "bunfig.toml"), 'preload = ["./trap.ts"]\n');
    writeFileSync(at("trap", "trap.ts"), 'console.log("trapped");\n');
    writeFileSync(at("trap", ".env"), "ODMR_DEBUG=1\n");
    const said = sh(
      `cd trap; ../${name}/odmr --version; ../${name}/odmr queue list --spool nowhere.db 2>&1 || true`,
    );
    assert.match(
      said.stdout,
      new RegExp(
        `^odmr ${version.replaceAll(".", "\\.")} \\([0-9a-f]{12}\\+?\\)\nodmr: there is no spool at [^\n]*\n$`,
      ),
    );
  });

  it("holds the units, the manual, the completions and the licence, and its parts' licences in the SBOM", () => {
    const files = readdirSync(at(name), { recursive: true, encoding: "utf8" });
    const wanted = [
      "LICENSE",
      "README.md",
      "completions/_odmr",
      "examples/dovecot-behind.conf",
      "examples/home.yaml",
      "examples/postfix-at-home.cf",
      "examples/postfix-in-front.cf",
      "examples/relay.yaml",
      "man/man1/odmr-serve.1",
      "man/man5/odmr.yaml.5",
      "systemd/odmr.service",
    ];
    assert.deepEqual(
      wanted.filter((file) => !files.includes(file)),
      [],
    );
    assert.match(
      readFileSync(at(name, "examples/postfix-in-front.cf"), "utf8"),
      /^relay_domains = .*\n[^`]*\n$/,
    );
    const { components } = JSON.parse(readFileSync(at("out", `odmr-${version}.cdx.json`), "utf8")) as {
      components: readonly { name: string; group?: string; licenses?: readonly object[] }[];
    };
    assert.deepEqual(
      Object.keys(manifest.dependencies).filter(
        (each) => !components.some(({ group, name }) => each === (group ? `${group}/${name}` : name)),
      ),
      [],
    );
  });

  it("is installed by install.sh, unless a sum is wrong", () => {
    const done = sh(`sh out/install.sh out/${name}.tar.gz "$PWD/usr"`);
    assert.equal(done.status, 0, done.stderr);
    assert.deepEqual(readdirSync(at("usr", "bin")), ["odmr"]);
    mkdirSync(at("bad"));
    copyFileSync(at("out", "SHA256SUMS"), at("bad", "SHA256SUMS"));
    writeFileSync(at("bad", `${name}.tar.gz`), "something else");
    const refused = sh(`sh out/install.sh bad/${name}.tar.gz "$PWD/other"`);
    assert.deepEqual(
      [refused.status, refused.stderr],
      [65, `install.sh: bad/${name}.tar.gz is not what bad/SHA256SUMS says; get both again\n`],
    );
  });

  it("is installed by root's install.sh with its user and folders, as the package does it", {
    skip: needsRoot,
  }, () => {
    mkdirSync(at("ground"));
    const said = sh(
      `unshare -m sh -ec '
        mount -t tmpfs tmpfs ground; mkdir ground/u ground/w ground/r
        mount -t overlay overlay -o lowerdir=/,upperdir=ground/u,workdir=ground/w ground/r
        mount -t tmpfs tmpfs ground/r/run; mkdir -p ground/r/run/systemd/system ground/r/got
        mount -t proc proc ground/r/proc
        ln -s /bin/true ground/r/usr/local/bin/systemctl
        cp out/${name}.tar.gz out/SHA256SUMS out/install.sh ground/r/got
        chroot ground/r sh -ec "
          sh /got/install.sh /got/${name}.tar.gz
          stat -c \\"%A %U:%G %n\\" /usr/local/bin/odmr /var/lib/odmr /etc/odmr
          grep -h ^ExecStart=.*serve /usr/local/lib/systemd/system/odmr.service
          odmr init relay --hostname relay.example.net /etc/odmr/odmr.yaml 2>&1
          grep ^user: /etc/odmr/odmr.yaml
        "'`,
    );
    assert.equal(said.status, 0, said.stderr);
    const [, ...lines] = said.stdout.trim().split("\n");
    assert.deepEqual(lines, [
      "-rwxr-xr-x root:root /usr/local/bin/odmr",
      "drwx------ odmr:odmr /var/lib/odmr",
      "drwxr-x--- root:odmr /etc/odmr",
      "ExecStart=/usr/local/bin/odmr serve --config /etc/odmr/odmr.yaml",
      "Wrote /etc/odmr/odmr.yaml. Then:",
      "  systemctl enable --now odmr",
      "  odmr invite home --domain example.org",
      "user: odmr",
    ]);
  });

  it("runs in a chroot that has the C library's files and /proc, and nothing else", {
    skip: needsRoot,
  }, () => {
    const cage = at("cage");
    mkdirSync(join(cage, "proc"), { recursive: true });
    mkdirSync(join(cage, "tmp"));
    copyFileSync(at(name, "odmr"), join(cage, "odmr"));
    const libraries = execFileSync("ldd", [at(name, "odmr")], { encoding: "utf8" }).matchAll(
      /(\/\S+\.so[.\d]*)/g,
    );
    for (const [, library = ""] of libraries) {
      mkdirSync(dirname(join(cage, library)), { recursive: true });
      copyFileSync(library, join(cage, library));
    }
    const said = sh(
      `unshare -m sh -ec 'mount -t proc proc cage/proc
       printf "Subject: x\\n\\nhello\\n" | chroot cage /odmr queue add --spool /tmp/s/spool.db --from a@b.example --to c@d.example --customer home
       chroot cage /odmr queue verify --spool /tmp/s/spool.db'`,
    );
    assert.equal(said.status, 0, said.stderr);
    assert.match(said.stdout, /\nall that was accepted is accounted for, and intact\n$/);
  });

  it("as a Debian package makes its user, keeps mail over upgrade and removal, and leaves nothing when purged", {
    skip: needsRoot,
  }, () => {
    const deb = readdirSync(at("out")).find((file) => file.endsWith(".deb"))!;
    mkdirSync(at("layer"));
    // A real installation, on a layer over this system that is gone with its mount.
    const said = sh(
      `unshare -m sh -ec '
        mount -t tmpfs tmpfs layer; mkdir layer/u layer/w layer/r
        mount -t overlay overlay -o lowerdir=/,upperdir=layer/u,workdir=layer/w layer/r
        mount -t proc proc layer/r/proc
        cp out/${basename(deb)} layer/r/odmr.deb
        chroot layer/r sh -ec "
          export DEBIAN_FRONTEND=noninteractive
          as() { setpriv --reuid odmr --regid odmr --clear-groups \\"\\$@\\"; }
          dpkg --force-depends --no-triggers -i odmr.deb >/dev/null 2>&1
          stat -c \\"%A %U:%G %n\\" /usr/bin/odmr /var/lib/odmr /etc/odmr
          as odmr queue add --spool /var/lib/odmr/spool.db --from a@b.example --to c@d.example --customer home < /etc/hostname >/dev/null
          dpkg --force-depends --no-triggers -i odmr.deb >/dev/null 2>&1
          as odmr queue count --spool /var/lib/odmr/spool.db
          odmr queue verify --spool /var/lib/odmr/spool.db
          dpkg --no-triggers -r odmr >/dev/null 2>&1
          ls /var/lib/odmr /usr/bin/odmr 2>/dev/null || true
          dpkg --no-triggers -P odmr >/dev/null 2>&1
          ls -d /var/lib/odmr /etc/odmr /usr/share/doc/odmr 2>/dev/null || echo clean
        "'`,
    );
    assert.equal(said.status, 0, said.stderr);
    assert.deepEqual(said.stdout.trim().split("\n"), [
      "-rwxr-xr-x root:root /usr/bin/odmr",
      "drwx------ odmr:odmr /var/lib/odmr",
      "drwxr-x--- root:odmr /etc/odmr",
      "1",
      "all that was accepted is accounted for, and intact",
      "/var/lib/odmr:",
      "spool.db",
      "clean",
    ]);
  });
});
