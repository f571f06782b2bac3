/** A program of its own for processes.test.ts: posts small and large mail, and says each id once it is stored. */
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { openSpool } from "../../src/spool/open.ts";
import { stored } from "./support.ts";

const [path = "", messages = "0"] = process.argv.slice(2);
const spool = await openSpool({
  path,
  clock: systemClock,
  random: systemRandom,
  log: silent,
  files: systemFiles,
  thread: "here",
});
let left = Number(messages);
const session = async (): Promise<void> => {
  while (left-- > 0) {
    const body = new Uint8Array(left % 5 === 0 ? 150_000 : 2000);
    const id = await stored(spool, { body });
    process.stdout.write(`${id}\n`);
  }
};
await Promise.all([session(), session(), session(), session()]);
await spool.close();
