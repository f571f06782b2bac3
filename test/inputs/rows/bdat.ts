/** BDAT: sizes that are none, out of order, cut short. */
import assert from "node:assert/strict";
import type { Talk } from "../../support/provider.ts";
import { type Entrance, isReal } from "../doors.ts";
import {
  endless,
  envelopeAt,
  type Family,
  isKept,
  NEXT,
  quit,
  type Row,
  talkRow,
  talksRow,
} from "../rows.ts";

const ended = (name: string, command: string, answer: string): Row =>
  talkRow(name, "addressed", [`C: BDAT ${command}`, `P: ${answer} *`, "end"]);

const RESET: Talk = ["C: RSET", "P: 250 *"];
const from = (entrance: Entrance): Talk => envelopeAt(entrance).slice(0, 2);
const begun = (entrance: Entrance): Talk => [...envelopeAt(entrance), "C: BDAT 3", "C: x", "P: 250 *"];

export const bdat: Family = {
  name: "BDAT",
  rows: [
    ended("-1", "-1", "501 5.5.4"),
    ended("18446744073709551616", "18446744073709551616 LAST", "5??"),
    ended("1e6", "1e6 LAST", "501 5.5.4"),
    ended("more than the limit", "2000001 LAST", "552 5.3.4"),
    ended("no size", "LAST", "501 5.5.4"),
    {
      name: "0 × 1e6",
      at: isReal,
      async holds(doors, entrance) {
        const answers = await endless(doors, entrance, "BDAT 0\r\n", 1_000_000);
        assert.ok(answers <= 1_010, `${answers} were answered`);
        await isKept(doors, entrance);
      },
    },
    talkRow("10 announced and 5 sent", "addressed", ["C: BDAT 10 LAST", "C: 12345\\", "close"]),
    talksRow("out of order", "known", [
      ["before RCPT", (entrance) => [...from(entrance), "C: BDAT 6", "C: RSET", "P: 503 5.5.1 *", ...RESET]],
      ["DATA after BDAT", (entrance) => [...begun(entrance), "C: DATA", "P: 503 5.5.1 *", ...RESET]],
      [
        "RSET between",
        (entrance) => [...begun(entrance), ...RESET, "C: BDAT 3 LAST", "C: x", "P: 503 5.5.1 *"],
      ],
    ]),
    talkRow(
      "LAST twice",
      "addressed",
      ["C: BDAT 17 LAST", `C: ${NEXT}\\`, "P: 250 *", "C: BDAT 3 LAST", "C: x", "P: 503 5.5.1 *", ...quit],
      { kept: [NEXT] },
    ),
  ],
};
