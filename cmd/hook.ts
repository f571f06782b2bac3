/** The program that an account wants run after each call, with what the call came to in its environment. */
// It is ours to start and to end; whatever it does, the mail is safe, so its failure is logged and no more.
import { execFile } from "node:child_process";
import type { Log } from "../src/platform/log.ts";
import type { Report } from "./errand.ts";

const WITHIN = 60_000;
const SAID = 500;

/** Resolves when it has ended, or was ended after a minute. */
export function runHook(argv: readonly string[], report: Report, log: Log): Promise<void> {
  const [program = "", ...words] = argv;
  const env = { ...process.env, ...environmentOf(report) };
  return new Promise((resolve) => {
    execFile(program, words, { env, timeout: WITHIN, killSignal: "SIGKILL" }, (error, _, stderr) => {
      if (error !== null)
        log.log("warn", "hook failed", {
          account: report.account,
          program,
          why: error.killed ? "it took longer than a minute" : error.message.trim().split("\n")[0],
          said: stderr.trim().slice(0, SAID) || undefined,
        });
      resolve();
    }).stdin?.end();
  });
}

/** All as text; ODMR_RESULT is "mail", "no mail" or "failed". */
function environmentOf(report: Report): Readonly<Record<string, string>> {
  return {
    ODMR_ACCOUNT: report.account,
    ODMR_RESULT: report.result,
    ODMR_STATUS: String(report.status),
    ODMR_MESSAGES: String(report.messages),
    ODMR_OCTETS: String(report.octets),
    ODMR_DELIVERED: String(report.delivered),
    ODMR_DEFERRED: String(report.deferred),
    ODMR_REFUSED: String(report.refused),
    ODMR_ERROR: report.error ?? "",
  };
}
