/** A Postfix of its own for the time of one test: Debian's programs, with configuration, queue and Maildir in a folder. */
// It changes nothing of a message that it can leave alone: no header is added for local clients.
import assert from "node:assert/strict";
import { chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { changed, countIn, type Letter, latin1, lettersIn, post, withoutTrace } from "./letters.ts";
import { eventually, freePort, greets, run, start } from "./processes.ts";

const PROGRAMS = "/usr/lib/postfix/sbin";

export interface Postfix {
  readonly port: number;
  /** Where mail for its own domains lies. */
  readonly maildir: string;
  log(): Promise<string>;
  /** Resolves when so many letters lie in its Maildir. */
  arrived(count: number): Promise<void>;
}

/** @param settings more lines of main.cf; mail for `domains` goes into one Maildir */
export async function withPostfix<T>(
  folder: string,
  { domains, settings = {} }: { domains: readonly string[]; settings?: Readonly<Record<string, string>> },
  use: (postfix: Postfix) => Promise<T>,
): Promise<T> {
  const home = join(folder, "postfix");
  const [conf, data, mail] = ["conf", "data", "mail"].map((name) => join(home, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [conf, join(home, "spool"), data, mail]) await mkdir(each, { recursive: true });
  await chown(data, await idOf("-u", "postfix"), await idOf("-g", "postfix"));
  await chown(mail, await idOf("-u", "nobody"), await idOf("-g", "nobody"));
  const port = await freePort();
  const mailbox = {
    virtual_mailbox_domains: domains.join(" "),
    virtual_mailbox_base: mail,
    virtual_mailbox_maps: "static:Maildir/",
    virtual_uid_maps: `static:${await idOf("-u", "nobody")}`,
    virtual_gid_maps: `static:${await idOf("-g", "nobody")}`,
  };
  await writeFile(join(conf, "main.cf"), lines({ ...places(home), ...manners, ...mailbox, ...settings }));
  await writeFile(join(conf, "master.cf"), `127.0.0.1:${port} inet n - n - - smtpd\n${SERVICES}`);
  await writeFile(join(conf, "dynamicmaps.cf"), "");
  // `postfix start-fg` puts its master where stopping it is not stopping the master; so the master is started itself.
  const checked = await run("postfix", ["-c", conf, "check"]);
  assert.equal(checked.status, 0, checked.stderr);
  const running = start(`${PROGRAMS}/master`, ["-c", conf, "-s"]);
  const log = async () => (await run("cat", [join(home, "log")])).stdout + running.said.stderr;
  try {
    await running.until(() => greets(port));
    const maildir = join(mail, "Maildir");
    const arrived = (count: number) =>
      eventually(
        async () => (await countIn(maildir)) === count,
        () => `${count} letters are to lie in ${maildir}`,
      );
    return await use({ port, maildir, log, arrived });
  } finally {
    await running.stop();
  }
}

const idOf = async (flag: "-u" | "-g", user: string): Promise<number> =>
  Number((await run("id", [flag, user])).stdout);

const lines = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join("");

const places = (home: string) => ({
  compatibility_level: "3.6",
  queue_directory: join(home, "spool"),
  data_directory: join(home, "data"),
  command_directory: "/usr/sbin",
  daemon_directory: PROGRAMS,
  maillog_file: join(home, "log"),
  maillog_file_prefixes: home,
});

const manners = {
  mail_owner: "postfix",
  setgid_group: "postdrop",
  myhostname: "postfix.test",
  mydestination: "",
  local_recipient_maps: "",
  alias_maps: "",
  mynetworks: "127.0.0.0/8",
  inet_interfaces: "127.0.0.1",
  inet_protocols: "ipv4",
  smtpd_peername_lookup: "no",
  smtpd_recipient_restrictions: "permit_mynetworks, reject",
  local_header_rewrite_clients: "",
  message_drop_headers: "",
  message_size_limit: "104857600",
  virtual_mailbox_limit: "0",
  queue_minfree: "0",
  in_flow_delay: "0",
  smtpd_tls_security_level: "none",
  smtp_tls_security_level: "none",
};

const SERVICES = `cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
virtual unix - n n - - virtual
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

/** Trace fields that it puts on top of what it takes in and puts into the Maildir. */
const OWN_TRACE = 4;

/** It takes the blanks before a header's colon away; nothing else of the corpus does it change. */
const MENDED = /^[!-9;-~]+[ \t]+:/m;

/**
 * All that was sent has arrived, and what differs is Postfix's doing: given to it directly, it differs in the same way.
 * @param domain one of its own, for the messages that are given directly @param hops trace fields that the way here added
 */
export async function onlyPostfixChanged(
  postfix: Postfix,
  sent: readonly Letter[],
  { domain, hops }: { domain: string; hops: number },
): Promise<void> {
  await postfix.arrived(sent.length);
  const odd = changed(sent, await lettersIn(postfix.maildir));
  const direct = odd.map(({ message }, i) => ({ to: `direct${i}@${domain}`, message }));
  await post(postfix.port, direct);
  await postfix.arrived(sent.length + odd.length);
  const all = await lettersIn(postfix.maildir);
  for (const [i, { to, message }] of odd.entries()) {
    assert.match(latin1(message.canonical), MENDED, message.name);
    const came = withoutTrace(all.get(to)!, OWN_TRACE + hops);
    assert.equal(came, withoutTrace(all.get(direct[i]!.to)!, OWN_TRACE), message.name);
  }
}
