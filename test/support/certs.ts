/** A small certificate authority for tests, made with the openssl command once per process. */
// Nothing of it is kept: the folder is removed as soon as the texts are read.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

export interface Certs {
  readonly ca: string;
  /** The same, with its key. */
  readonly caItself: Identity;
  /** An authority that signed nothing else here. */
  readonly otherCa: string;
  /** For relay.test, by the CA. */
  readonly server: Identity;
  /** The same name, a second certificate: for reloads. */
  readonly renewed: Identity;
  /** For home.test, by the CA. */
  readonly client: Identity;
  /** For home.test, by the CA, which has taken it back since. */
  readonly revoked: Identity;
  /** What the CA has taken back, until 2099; the same, until 2020-02-01; and the list of the other authority. */
  readonly crl: string;
  readonly staleCrl: string;
  readonly otherCrl: string;
  /** For relay.test, by the CA, over since long ago. */
  readonly expired: Identity;
  /** For other.test, by the CA. */
  readonly wrongName: Identity;
  /** For relay.test, by itself. */
  readonly selfSigned: Identity;
  /** For mta-sts.x.test, by the CA. */
  readonly policyHost: Identity;
}

let made: Certs | undefined;

export function certs(): Certs {
  made ??= make();
  return made;
}

const VALID = ["-startdate", "20200101000000Z", "-enddate", "20990101000000Z"];
const OVER = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"];
const CA = ["-config", "ca.conf"];
const CA_CONFIG = `[ca]
default_ca=d
[d]
database=index.txt
new_certs_dir=.
rand_serial=yes
default_md=sha256
policy=p
copy_extensions=copy
unique_subject=no
[p]
commonName=supplied
`;

function make(): Certs {
  const folder = mkdtempSync(join(tmpdir(), "odmr-certs-"));
  const openssl = (...args: readonly string[]) =>
    execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const text = (file: string) => readFileSync(join(folder, file), "utf8");
  const selfSigned = (file: string, name: string, ...more: readonly string[]): Identity => {
    openssl("req", "-x509", ...NEW_KEY, ...to(file), "-days", "3650", "-subj", `/CN=${name}`, ...more);
    return { certificate: text(`${file}.crt`), key: text(`${file}.key`) };
  };
  const signed = (file: string, name: string, dates: readonly string[]): Identity => {
    const alternative = ["-addext", `subjectAltName=DNS:${name}`];
    openssl(
      "req",
      ...NEW_KEY,
      "-keyout",
      `${file}.key`,
      "-out",
      `${file}.csr`,
      "-subj",
      `/CN=${name}`,
      ...alternative,
    );
    const by = [...CA, "-cert", "ca.crt", "-keyfile", "ca.key"];
    openssl("ca", "-batch", "-notext", ...by, ...dates, "-in", `${file}.csr`, "-out", `${file}.crt`);
    return { certificate: text(`${file}.crt`), key: text(`${file}.key`) };
  };
  const list = (by: string, until: string): string => {
    const dates = ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", until];
    const file = `${by}-${until}.crl`;
    openssl("ca", "-gencrl", ...CA, "-cert", `${by}.crt`, "-keyfile", `${by}.key`, ...dates, "-out", file);
    return text(file);
  };
  try {
    writeFileSync(join(folder, "index.txt"), "");
    writeFileSync(join(folder, "ca.conf"), CA_CONFIG);
    const caItself = selfSigned("ca", "Test CA");
    const ca = caItself.certificate;
    const otherCa = selfSigned("other", "Another CA").certificate;
    const revoked = signed("revoked", "home.test", VALID);
    openssl("ca", ...CA, "-cert", "ca.crt", "-keyfile", "ca.key", "-revoke", "revoked.crt");
    return {
      ca,
      caItself,
      otherCa,
      revoked,
      crl: list("ca", "20990101000000Z"),
      staleCrl: list("ca", "20200201000000Z"),
      otherCrl: list("other", "20990101000000Z"),
      server: signed("server", "relay.test", VALID),
      renewed: signed("renewed", "relay.test", VALID),
      client: signed("client", "home.test", VALID),
      expired: signed("expired", "relay.test", OVER),
      wrongName: signed("wrong", "other.test", VALID),
      selfSigned: selfSigned("self", "relay.test", "-addext", "subjectAltName=DNS:relay.test"),
      policyHost: signed("policy", "mta-sts.x.test", VALID),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const to = (file: string) => ["-keyout", `${file}.key`, "-out", `${file}.crt`];
