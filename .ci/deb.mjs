// The Debian package: laid out from a release's folder, and built by dpkg-deb.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** @returns the package's file */
export function debOf({ folder, arch, version, out, mtime }) {
  const tree = join(out, `deb-${arch}`);
  const put = (from, to) => cpSync(from, join(tree, to), { recursive: true });
  const doc = "usr/share/doc/odmr";
  put(join(folder, "odmr"), "usr/bin/odmr");
  put(join(folder, "systemd"), "usr/lib/systemd/system");
  put(join("dist", "debian", "sysusers.conf"), "usr/lib/sysusers.d/odmr.conf");
  put(join(folder, "completions", "odmr"), "usr/share/bash-completion/completions/odmr");
  put(join(folder, "completions", "_odmr"), "usr/share/zsh/vendor-completions/_odmr");
  put(join(folder, "completions", "odmr.fish"), "usr/share/fish/vendor_completions.d/odmr.fish");
  put(join("dist", "debian", "lintian-overrides"), "usr/share/lintian/overrides/odmr");
  put(join(folder, "LICENSE"), `${doc}/copyright`);
  put(join(folder, "README.md"), `${doc}/README.md`);
  put(join(folder, "docs"), `${doc}/docs`);
  const examples = ["examples", "fail2ban", "grafana"].filter((name) => existsSync(join(folder, name)));
  for (const name of examples) put(join(folder, name), `${doc}/examples/${name === "examples" ? "" : name}`);
  for (const section of ["man1", "man5"])
    for (const page of readdirSync(join(folder, "man", section)))
      zip(join(tree, "usr/share/man", section), page, readFileSync(join(folder, "man", section, page)));
  zip(join(tree, doc), "changelog", Buffer.from(changelog(version, mtime)));
  mkdirSync(join(tree, "DEBIAN"), { recursive: true });
  for (const script of ["postinst", "prerm", "postrm"])
    put(join("dist", "debian", script), `DEBIAN/${script}`);
  writeFileSync(join(tree, "DEBIAN/control"), control({ arch, version, size: sizeOf(tree) }));
  modes(tree, join(tree, "DEBIAN"));
  chmodSync(join(tree, "usr/bin/odmr"), 0o755);
  const file = join(out, `odmr_${version}_${arch}.deb`);
  // More than level 0 takes twice the time for a twentieth; one thread, so that the octets are the same on every machine.
  execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "-z0", "--threads-max=1", "--build", tree, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(mtime) },
    stdio: ["ignore", 2, 2],
  });
  rmSync(tree, { recursive: true });
  return file;
}

const control = ({ arch, version, size }) => `Package: odmr
Version: ${version}
Architecture: ${arch}
Maintainer: odmr developers <odmr@packages.invalid>
Installed-Size: ${size}
Depends: libc6 (>= 2.31), libgcc-s1, libstdc++6
Recommends: ca-certificates
Suggests: fail2ban, dovecot-lmtpd, postfix
Section: mail
Priority: optional
Description: On-Demand Mail Relay (RFC 2645)
 A mail server at home, without an open port and without a fixed address. A
 small server on the internet takes mail in and holds it; the box at home calls,
 the line turns around, and the mail comes down over the connection that it
 dialled. One executable is both ends.
`;

const changelog = (version, mtime) => `odmr (${version}) unstable; urgency=medium

  * See the project's history.

 -- odmr developers <odmr@packages.invalid>  ${new Date(mtime * 1000).toUTCString().replace("GMT", "+0000")}
`;

function zip(folder, name, content) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }));
}

/** In KiB, as the control file wants it. */
function sizeOf(folder) {
  const files = readdirSync(folder, { recursive: true }).map((name) => statSync(join(folder, name)));
  return Math.ceil(files.reduce((sum, each) => sum + (each.isFile() ? each.size : 0), 0) / 1024);
}

/** Whatever umask this machine has. */
function modes(folder, scripts) {
  chmodSync(folder, 0o755);
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) modes(path, scripts);
    else chmodSync(path, folder === scripts && name !== "control" ? 0o755 : 0o644);
  }
}
