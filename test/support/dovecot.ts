/** A Dovecot of its own for the time of one test: LMTP on a free port, and one Maildir for whoever is written to, or for each. */
import { chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { greets, run, start } from "./processes.ts";

export interface Dovecot {
  readonly maildir: string;
  /** The Maildir of one of its users, where it has users. */
  maildirOf(user: string): string;
  /** Where it takes mail by LMTP too. */
  readonly socket: string;
  log(): string;
}

/**
 * @param port the caller's choice, so that the same Dovecot can be down and up again
 * @param users whom it knows: everybody else is refused; undefined: everybody is known
 */
export async function withDovecot<T>(
  folder: string,
  port: number,
  use: (dovecot: Dovecot) => Promise<T>,
  users?: readonly string[],
): Promise<T> {
  const home = join(folder, "dovecot");
  const mail = join(home, "mail");
  await mkdir(mail, { recursive: true });
  const [user, group] = [await idOf("-u"), await idOf("-g")];
  await chown(mail, user, group);
  const file = join(home, "dovecot.conf");
  const known = users?.map((name) => `${name}:{plain}:${user}:${group}::${mail}/${name}::\n`).join("");
  if (known !== undefined) await writeFile(join(home, "users"), known);
  await writeFile(file, configuration({ home, mail, port, user, group, known: known !== undefined }));
  const running = start("dovecot", ["-F", "-c", file]);
  try {
    await running.until(() => greets(port));
    return await use({
      maildir: join(mail, "Maildir"),
      maildirOf: (user) => join(mail, user, "Maildir"),
      socket: join(home, "run", "lmtp"),
      log: () => running.said.stderr,
    });
  } finally {
    await running.stop();
  }
}

const idOf = async (flag: "-u" | "-g"): Promise<number> => Number((await run("id", [flag, "nobody"])).stdout);

interface Facts {
  readonly home: string;
  readonly mail: string;
  readonly port: number;
  readonly user: number;
  readonly group: number;
  readonly known: boolean;
}

const configuration = ({ home, mail, port, user, group, known }: Facts): string => `
base_dir = ${home}/run
state_dir = ${home}/state
log_path = /dev/stderr
protocols = lmtp
ssl = no
first_valid_uid = 1
mail_location = maildir:~/Maildir
passdb {
  driver = static
  args = nopassword=y
}
auth_username_format = %Ln
userdb {
  ${known ? `driver = passwd-file\n  args = ${home}/users` : `driver = static\n  args = uid=${user} gid=${group} home=${mail} allow_all_users=yes`}
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
`;
