/** Where mail could go on this host: what takes mail here already, and else folders. */
// It is looked, and nothing is said to anybody but hello; what is found is proposed, never taken without a word.
import { access } from "node:fs/promises";
import { join } from "node:path";
import { dial } from "../src/net/dial.ts";
import type { Clock } from "../src/platform/clock.ts";

export interface Proposal {
  readonly target: string;
  /** What it is, in a few words. */
  readonly what: string;
}

export interface Looking {
  isThere(path: string): Promise<boolean>;
  /** Whether somebody listens there, on this host. */
  answers(port: number): Promise<boolean>;
  readonly home: string;
  readonly root: boolean;
}

const SOCKETS: readonly (readonly [path: string, what: string])[] = [
  ["/run/dovecot/lmtp", "Dovecot, by LMTP"],
  ["/run/cyrus/socket/lmtp", "Cyrus, by LMTP"],
  ["/var/run/dovecot/lmtp", "Dovecot, by LMTP"],
];

/** The best one first; there is always one. */
export async function proposals(looking: Looking): Promise<readonly Proposal[]> {
  const found: Proposal[] = [];
  const [lmtp, smtp, ...sockets] = await Promise.all([
    looking.answers(24),
    looking.answers(25),
    ...SOCKETS.map(([path]) => looking.isThere(path)),
  ]);
  const socket = SOCKETS.find((_, i) => sockets[i]);
  if (socket !== undefined) found.push({ target: `lmtp:${socket[0]}`, what: socket[1] });
  if (lmtp) found.push({ target: "lmtp://127.0.0.1:24", what: "a mail server here, by LMTP" });
  if (smtp) found.push({ target: "smtp://127.0.0.1:25", what: "the mail server here, by SMTP" });
  const own = join(looking.home, "Maildir");
  if (!looking.root && (await looking.isThere(own)))
    found.push({ target: `maildir:${own}`, what: "your Maildir, for all addresses" });
  const folders = looking.root
    ? "/var/mail/{domain}/{local}"
    : join(looking.home, "Mail", "{domain}", "{local}");
  return [...found, { target: `maildir:${folders}`, what: "a Maildir for each address" }];
}

/** This host, as it is. */
export function looking(home: string, clock: Clock): Looking {
  return {
    home,
    root: process.getuid?.() === 0,
    isThere: (path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    answers: (port) =>
      dial({ host: "127.0.0.1", port, clock, within: 1_000 }).then(
        async (connection) => {
          connection.destroy();
          return true;
        },
        () => false,
      ),
  };
}
