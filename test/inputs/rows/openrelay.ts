/** An open relay: what strangers try to have sent elsewhere, at every door, and after what looks like a login. */
import assert from "node:assert/strict";
import { entries } from "../../support/post.ts";
import type { Talk } from "../../support/provider.ts";
import { type Entrance, hasLogin, plain } from "../doors.ts";
import { type Family, isKept, quit, type Row, spoolAt, talksRow, tried } from "../rows.ts";

/** No place of ours, however it is written. */
const elsewhere = [
  "<v@other.test>",
  "<v%other.test@example.org>",
  "<@example.org:v@other.test>",
  "<v@[192.0.2.1]>",
  "<v@example.org.>",
  "<postmaster>",
];
/** Odd names of somebody who is our customer's to know. */
const odd = ['<"v@other.test"@example.org>', "<other.test!v@example.org>"];
const senders = ["", "ann@example.org", "a@other.test"];

/** Those at which strangers may say MAIL; at home all who may connect may send, and that is its use. */
const isOpen = ({ service }: Entrance): boolean => ["intake", "lmtp", "reversed"].includes(service);
/** At home it is a local part like any other; a relay knows that some hosts behind it would read it as a route. */
const isOurs = (path: string): boolean => path.endsWith("%other.test@example.org>");
const RESET: Talk = ["C: RSET", "P: 250 *"];

const refused: Row = talksRow(
  "addresses that are not ours",
  "open",
  elsewhere.map((path) => [
    path,
    ({ service }) =>
      service === "reversed" && isOurs(path)
        ? []
        : senders.flatMap((from) => [
            ...[`C: MAIL FROM:<${from}>`, "P: 250 *", `C: RCPT TO:${path}`, "P: 5*"],
            ...["C: DATA", "P: 503 5.5.1 *", ...RESET],
          ]),
  ]),
  isOpen,
);

const own: Row = {
  name: "odd names of our own",
  items: odd,
  at: isOpen,
  async holds(doors, entrance) {
    const paths = [...odd, ...(entrance.service === "reversed" ? elsewhere.filter(isOurs) : [])];
    const talk = paths.flatMap((path) => [
      ...["C: MAIL FROM:<a@other.test>", "P: 250 *", `C: RCPT TO:${path}`, "P: 250 *"],
      ...["C: DATA", "P: 354 *", "C: Subject: odd", "C: .", "P: 250 *"],
    ]);
    await tried(doors, entrance, "open", [...talk, ...quit]);
    const lanes = (await entries(spoolAt(doors, entrance))).map(({ direction }) => direction);
    const lane = entrance.service === "reversed" ? "local" : "turn";
    assert.deepEqual(
      lanes,
      paths.map(() => lane),
    );
  },
};

const MAIL = [...elsewhere, ...odd].flatMap((path) => [`C: MAIL FROM:${path}`, "P: 5*"]);
const unknown: Talk = [...MAIL, ...senders.flatMap((from) => [`C: MAIL FROM:<${from}>`, "P: 530 5.7.0 *"])];

/** Whoever has not said who he is gets as far as nowhere. */
const nobody: readonly Row[] = [
  { name: "without AUTH", said: (): Talk => [] },
  {
    name: "after a failed AUTH",
    said: ({ line }: Entrance): Talk =>
      line === "clear"
        ? ["C: AUTH CRAM-MD5", "P: 334 *", "C: aG9tZSAwMA==", "P: 535 *"]
        : [`C: ${plain("home", "x")}`, "P: 535 *"],
  },
  { name: "after RSET", said: (): Talk => RESET },
].map(({ name, said }) => ({
  name,
  at: hasLogin,
  async holds(doors, entrance) {
    await tried(doors, entrance, "open", [...said(entrance), ...unknown, ...quit]);
    await isKept(doors, entrance);
    doors.forgetGuesses();
  },
}));

const known: Row = {
  name: "in another's name, after AUTH",
  at: hasLogin,
  async holds(doors, entrance) {
    const talk = ["a@other.test", "ann@work.test"].flatMap((from) => [
      `C: MAIL FROM:<${from}>`,
      "P: 553 5.7.1 *",
    ]);
    await tried(doors, entrance, "known", [...talk, ...quit]);
    await isKept(doors, entrance);
  },
};

const home: Row = {
  name: "at home, in the name of nobody there",
  at: ({ service }) => service === "home",
  async holds(doors, entrance) {
    const talk = [
      "C: MAIL FROM:<a@other.test>",
      "P: 553 5.7.1 *",
      "C: RCPT TO:<v@other.test>",
      "P: 503 5.5.1 *",
    ];
    await tried(doors, entrance, "open", [...talk, ...quit]);
    await isKept(doors, entrance);
  },
};

export const openRelay: Family = {
  name: "an open relay",
  rows: [refused, own, ...nobody, known, home],
};
