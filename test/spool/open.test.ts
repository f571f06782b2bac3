import { join } from "node:path";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { openSpool } from "../../src/spool/open.ts";
import { type OpenEmpty, spoolContract } from "./contract.ts";
import { temporary } from "./support.ts";

const open =
  (thread: "here" | "worker"): OpenEmpty =>
  async ({ clock, random }) => {
    const folder = temporary();
    const path = join(folder.path, "deep", "spool.db");
    const spool = await openSpool({ path, clock, random, log: silent, files: systemFiles, thread });
    return {
      spool,
      end: async () => {
        await spool.close();
        folder.remove();
      },
    };
  };

spoolContract("the embedded spool", open("here"));
spoolContract("the embedded spool in a thread of its own", open("worker"));
