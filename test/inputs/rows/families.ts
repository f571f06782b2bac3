/** All lines of the list that are tried at doors. */
import type { Family } from "../rows.ts";
import { acrossTheTurn, atrn, reversed } from "./atrn.ts";
import { auth } from "./auth.ts";
import { bdat } from "./bdat.ts";
import { foreign } from "./foreign.ts";
import { openRelay } from "./openrelay.ts";
import { quota } from "./quota.ts";
import { smuggling } from "./smuggling.ts";
import { startTls } from "./starttls.ts";
import { syntax } from "./syntax.ts";

export const families: readonly Family[] = [
  ...[smuggling, acrossTheTurn, atrn, reversed, startTls, openRelay, auth, syntax, bdat, foreign, quota],
];
