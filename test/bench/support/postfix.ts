/** Debian's Postfix as the one to compare with, and its own load tools: smtp-source sends, smtp-sink takes. */
// smtp-source speaks no TLS and no PIPELINING, and shares the cores with whoever it loads: beside smtp-sink, which has no
// disk at all, one sees how near a server comes to what the tool can send.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Postfix, withPostfix } from "../../support/postfix.ts";
import { eventually, freePort, greets, run, start } from "../../support/processes.ts";
import { DOMAIN } from "./relay.ts";

export interface BenchPostfix extends Postfix {
  readonly pid: number;
  /** Changes its main.cf while it runs. */
  set(settings: Readonly<Record<string, string>>): Promise<void>;
  /** How many messages wait in one of its queues. */
  waiting(queue: "hold" | "deferred"): Promise<number>;
  flush(): Promise<void>;
}

const many = {
  default_process_limit: "300",
  smtpd_client_connection_count_limit: "0",
  smtpd_error_sleep_time: "0",
};

/** Puts each message on hold: its smtpd and its cleanup alone at work, its fastest durable intake. */
export const holding = {
  smtpd_recipient_restrictions: "check_recipient_access static:HOLD, permit_mynetworks, reject",
};

/** Puts each message off without a try, as a site that waits for ETRN does. */
export const deferring = { defer_transports: "smtp", virtual_mailbox_domains: "" };

export function withBenchPostfix<T>(
  folder: string,
  settings: Readonly<Record<string, string>>,
  use: (postfix: BenchPostfix) => Promise<T>,
): Promise<T> {
  const conf = join(folder, "postfix", "conf");
  return withPostfix(folder, { domains: [DOMAIN], settings: { ...many, ...settings } }, (postfix) =>
    use({
      ...postfix,
      pid: Number(readFileSync(join(folder, "postfix", "spool", "pid", "master.pid"), "latin1")),
      async set(changes) {
        const words = Object.entries(changes).map(([key, value]) => `${key}=${value}`);
        await run("postconf", ["-c", conf, "-e", ...words]);
        await run("postfix", ["-c", conf, "reload"]);
      },
      async waiting(queue) {
        const { stdout } = await run("find", [join(folder, "postfix", "spool", queue), "-type", "f"]);
        return stdout.split("\n").length - 1;
      },
      async flush() {
        await run("postqueue", ["-c", conf, "-f"]);
      },
    }),
  );
}

export interface Load {
  readonly size: number;
  readonly sessions: number;
  readonly count: number;
}

/** Sends `count` messages. @returns how many that were a second */
export async function source(port: number, { size, sessions, count }: Load): Promise<number> {
  const args = ["-4", "-d", "-s", sessions, "-m", count, "-l", size, "-M", "load.test"].map(String);
  const began = performance.now();
  const to = ["-f", "s@load.test", "-t", `u@${DOMAIN}`, `127.0.0.1:${port}`];
  const { status, stderr } = await run("smtp-source", [...args, ...to]);
  if (status !== 0) throw new Error(`smtp-source ended with ${status}: ${stderr}`);
  return (count / (performance.now() - began)) * 1000;
}

/** smtp-sink takes everything and keeps nothing. */
export async function withSink<T>(use: (port: number) => Promise<T>): Promise<T> {
  const port = await freePort();
  const sink = start("smtp-sink", ["-u", "postfix", `127.0.0.1:${port}`, "4096"]);
  try {
    await eventually(
      () => greets(port),
      () => "smtp-sink does not greet",
    );
    return await use(port);
  } finally {
    await sink.stop();
  }
}
