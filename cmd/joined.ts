/** The configuration of a house that has joined a relay: short, and like one that was written by hand. */
// Every value goes in as a JSON string, which YAML reads as the same text, whatever it is.
import { hostname as systemHostname } from "node:os";
import { relative } from "node:path";
import { formatEndpoint } from "../src/config/endpoint.ts";
import type { Invitation } from "../src/config/invitation.ts";
import { isHostname } from "../src/config/names.ts";
import { formatTarget, type Target } from "../src/config/target.ts";
import type { Paired } from "../src/relay/pairing.ts";

/** The account's name in it. */
export const ACCOUNT = "relay";

export interface Joined extends Paired {
  readonly invitation: Invitation;
  /** The relay's certificate is by nobody whom this system trusts: it is known by its pin from now on. */
  readonly pinned: boolean;
  readonly hostname: string;
  readonly spool: string;
  readonly certificate: { readonly file: string; readonly key: string };
  readonly target: Target;
  /** Who runs it, where root made it. */
  readonly user?: string;
}

/** @param folder where the file is to stand: what lies beside it is named from there */
export function configText(joined: Joined, folder: string): string {
  const { invitation, pinned, certificate, name, domains, target, user } = joined;
  const near = (file: string): string => {
    const path = relative(folder, file);
    return quoted(path.startsWith("..") ? file : path);
  };
  return `# The host at home, as odmr join wrote it. Mail comes with: odmr pull --daemon (or odmr pull, once)
# All that may stand here: odmr man odmr.yaml, and the comments of odmr init home.

hostname: ${quoted(joined.hostname)}
spool: ${near(joined.spool)}
${user === undefined ? "" : `# Whom it works as, where root starts it.\nuser: ${quoted(user)}\n`}
pull:
  accounts:
    - name: ${ACCOUNT}
      provider: ${quoted(formatEndpoint(invitation.provider))}
      tls: ${invitation.tls}
${pinned ? `      # The relay's very certificate; if it makes a new one, that one's fingerprint belongs here.\n      pin: "sha256:${invitation.pin}"\n` : ""}
      # The relay knows this host by its key; whoever has the key is this host.
      user: ${quoted(name)}
      certificate: { file: ${near(certificate.file)}, key: ${near(certificate.key)} }

      domains: [${domains.join(", ")}]
      # Also by address, by header, by hour, to several: odmr man odmr.yaml, pull.accounts.deliver.
      deliver:
        - { match: "*", to: ${quoted(formatTarget(target))} }

      # odmr pull --daemon stays on the line, and calls this often if the relay cannot keep one.
      follow: true
      every: 15m

  # Mail of this house to the world, where the relay sends it on (serve.outbound there):
  # outgoing: { listen: "127.0.0.1:2525", via: ${ACCOUNT} }
`;
}

const quoted = (text: string): string => JSON.stringify(text);

/** What this host calls itself, with a domain. */
export function ourName(domain: string, name = systemHostname().toLowerCase()): string {
  if (!isHostname(name)) return `home.${domain}`;
  return name.includes(".") || name.startsWith("[") ? name : `${name}.${domain}`;
}
