/** Intake under STARTTLS beside Postfix, and how long a 250 takes while others send: `npm run bench tls`. Needs root. */
// The sender runs in this process and shares the cores. Options: --rounds N, --binary FILE, --json FILE.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { certs } from "../support/certs.ts";
import { contest, heading, median, note, rounds, row } from "./support/compare.ts";
import { send } from "./support/load.ts";
import { holding, withBenchPostfix } from "./support/postfix.ts";
import { inDiskFolder, withRelay } from "./support/relay.ts";
import { watched } from "./support/watch.ts";

const load = { size: 4096, sessions: 50, count: 4000, tls: true };

heading("Intake under STARTTLS", "messages/s");
await inDiskFolder((folder) => {
  const { server } = certs();
  const files = { smtpd_tls_cert_file: join(folder, "pf.crt"), smtpd_tls_key_file: join(folder, "pf.key") };
  writeFileSync(files.smtpd_tls_cert_file, server.certificate);
  writeFileSync(files.smtpd_tls_key_file, server.key, { mode: 0o600 });
  const settings = { ...holding, ...files, smtpd_tls_security_level: "may" };
  return withBenchPostfix(folder, settings, (postfix) =>
    withRelay(folder, { tls: server }, async (relay) => {
      const under = (name: string, port: number, pid: number) => ({
        name,
        async measure() {
          const { value, cost } = await watched(pid, () => send(port, load));
          return { ...cost, rate: value.rate, cpu: (cost.cpu / load.count) * 1000 };
        },
      });
      const contenders = [
        under("Postfix", postfix.port, postfix.pid),
        under("odmr", relay.intake, relay.pid),
      ];
      await contest({ name: "4 KB × 50", contenders });
    }),
  );
});

/** Small mail must not starve beside large: how long its 250 takes alone, and while one sender pours 10 MB messages in. */
console.log("\n### Milliseconds from the final dot to the 250, 4 KB × 20\n");
row(["", "median", "99 of 100", "slowest"]);
row(["---", "---", "---", "---"]);
await inDiskFolder((folder) =>
  withRelay(folder, {}, async ({ intake }) => {
    const small = () => send(intake, { size: 4096, sessions: 20, count: 10_000 });
    const beside = async () => {
      const large = send(intake, { size: 10_000_000, sessions: 1, count: 20 });
      const { waits } = await small();
      await large;
      return { waits };
    };
    await small();
    const cases = { alone: small, "beside a sender of 10 MB messages": beside };
    const told: Record<string, (readonly number[])[]> = {};
    for (let round = 0; round < rounds; round++)
      for (const [name, measure] of Object.entries(cases)) {
        const { waits } = await measure();
        const at = (part: number) => waits[Math.floor(waits.length * part)]!;
        told[name] = [...(told[name] ?? []), [at(0.5), at(0.99), waits.at(-1)!]];
      }
    for (const [name, all] of Object.entries(told)) {
      const medians = [0, 1, 2].map((i) => median(all.map((one) => one[i]!)));
      row([name, ...medians.map((ms) => ms.toFixed(1))]);
      note({ contest: "milliseconds to the 250", name, medians });
    }
  }),
);
