/** A Dovecot of its own for the time of one test: LMTP on a free port, and one Maildir for whoever is written to. */
import { chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { greets, run, start } from "./processes.ts";

export interface Dovecot {
  readonly maildir: string;
  /** Where it takes mail by LMTP too. */
  readonly socket: string;
  log(): string;
}

/** @param port the caller's choice, so that the same Dovecot can be down and up again */
export async function withDovecot<T>(
  folder: string,
  port: number,
  use: (dovecot: Dovecot) => Promise<T>,
): Promise<T> {
  const home = join(folder, "dovecot");
  const mail = join(home, "mail");
  await mkdir(mail, { recursive: true });
  const [user, group] = [await idOf("-u"), await idOf("-g")];
  await chown(mail, user, group);
  const file = join(home, "dovecot.conf");
  await writeFile(file, configuration({ home, mail, port, user, group }));
  const running = start("dovecot", ["-F", "-c", file]);
  try {
    await running.until(() => greets(port));
    return await use({
      maildir: join(mail, "Maildir"),
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
}

const configuration = ({ home, mail, port, user, group }: Facts): string => `
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
userdb {
  driver = static
  args = uid=${user} gid=${group} home=${mail} allow_all_users=yes
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${port}
  }
}
`;
