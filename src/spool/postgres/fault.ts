/** What went wrong between us and the database, by what can be done about it. */
// Only what certainly was not committed may be done again as it is; whatever is "lost" may have been.
import type { SpoolFault } from "../spool.ts";

/**
 * "lost": the connection is gone, or leads to a server that cannot write; another may be made. "again": the database has
 * undone the transaction in favour of another one. The others are answers.
 */
export type PostgresTrouble = "lost" | "again" | Extract<SpoolFault, "full" | "corrupt" | "denied" | "io">;

export class PostgresFault extends Error {
  override readonly name = "PostgresFault";
  readonly trouble: PostgresTrouble;
  constructor(trouble: PostgresTrouble, message: string, options?: ErrorOptions) {
    super(message, options);
    this.trouble = trouble;
  }
}

/** By SQLSTATE, its class, or the name that a runtime gives to the end of a connection. */
const known: Readonly<Record<string, PostgresTrouble>> = {
  "40001": "again",
  "40P01": "again",
  "55P03": "again",
  // A pooler in between may have mixed up what was prepared where; the next time it is prepared anew.
  "26000": "again",
  "53100": "full",
  "53200": "io",
  "53300": "lost",
  "25006": "lost",
  "25P03": "lost",
  "57P01": "lost",
  "57P02": "lost",
  "57P03": "lost",
  "57P05": "lost",
  "42501": "denied",
  "3D000": "denied",
  "28": "denied",
  "08": "lost",
  XX: "corrupt",
};

export function faultOf(error: unknown): PostgresFault {
  if (error instanceof PostgresFault) return error;
  const { code = "", message = String(error) } = error as {
    readonly code?: string;
    readonly message?: string;
  };
  const trouble = known[code] ?? known[code.slice(0, 2)] ?? (isSqlState(code) ? "io" : "lost");
  return new PostgresFault(trouble, `the database: ${message === "" ? code : message}`, { cause: error });
}

/** Whatever has no SQLSTATE comes from the runtime's sockets, or from the driver about them. */
function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code);
}
