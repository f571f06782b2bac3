import { after, before, describe } from "node:test";
import { systemClock } from "../../src/platform/clock.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { openSpool } from "../../src/spool/open.ts";
import { type Postgresql, startPostgresql, withPostgresql } from "../support/postgresql.ts";
import { type OpenEmpty, spoolContract } from "./contract.ts";

describe("a shared spool", withPostgresql(), () => {
  let server: Postgresql;
  let path: string;
  before(async () => {
    server = await startPostgresql();
    path = server.spool();
  });
  after(() => server.stop());

  const open: OpenEmpty = async ({ clock, random }) => {
    await server.empty(path);
    const spool = await openSpool({
      path,
      clock,
      lineClock: systemClock,
      random,
      log: silent,
      files: systemFiles,
      thread: "here",
    });
    return { spool, end: () => spool.close() };
  };
  spoolContract("PostgreSQL", open, { rounds: 30 });
});
