/** ATRN at the wrong time, for what is no domain, for another's; and octets behind it: at the ODMR door, with mail that waits. */
import assert from "node:assert/strict";
import { stored } from "../../spool/support.ts";
import { certs } from "../../support/certs.ts";
import { play, type Talk } from "../../support/provider.ts";
import { type Doors, type Entrance, helloAt, knockAt, plain } from "../doors.ts";
import { type Family, isKept, quit, type Row, type Stage, senderAt, talksRow, tried } from "../rows.ts";

const at = ({ service }: Entrance) => service === "odmr";
const BODY = "Subject: held\r\n\r\ntext\r\n";

const hold = ({ post }: Doors) =>
  stored(post.relay.spool, {
    body: BODY,
    trace: "",
    arrived: post.clock.now(),
    expires: post.clock.now() + 1e9,
  });

/** The mail that waits stays where it is. */
const row = (name: string, stage: Stage, talk: (entrance: Entrance) => Talk): Row => ({
  ...{ name, at },
  async holds(doors, entrance) {
    await hold(doors);
    await tried(doors, entrance, stage, talk(entrance));
    await isKept(doors, entrance, BODY);
  },
});

const refused: readonly (readonly [argument: string, code: string])[] = [
  ["../../etc", "501 5.5.4"],
  ["example.org,", "501 5.5.4"],
  [",example.org", "501 5.5.4"],
  ["example..org", "501 5.5.4"],
  ["example.org example.com", "501 5.5.4"],
  ["[192.0.2.1]", "501 5.5.4"],
  ["@example.org", "501 5.5.4"],
  ["*.test", "501 5.5.4"],
  ["example.org\0b", "501 5.5.2"],
  ["x".repeat(600), "500 5.5.2"],
  ["work.test,example.org", "450 4.7.1"],
  ["example.org,work.test", "450 4.7.1"],
  ["example.org,nobody.test", "450 4.7.1"],
];

const goesOn: Talk = ["C: NOOP", "P: 250 *", ...quit];

export const atrn: Family = {
  name: "ATRN",
  rows: [
    row("before AUTH", "open", () => ["C: ATRN example.org", "P: 530 5.7.0 *", ...goesOn]),
    row("after a failed AUTH", "open", ({ line }) => [
      ...(line === "clear"
        ? ["C: AUTH CRAM-MD5", "P: 334 *", "C: aG9tZSAwMA=="]
        : [`C: ${plain("home", "x")}`]),
      ...["P: 535 *", "C: ATRN example.org", "P: 530 5.7.0 *", ...goesOn],
    ]),
    {
      name: "before TLS where required",
      at: ({ service, line }) => service === "odmr" && line === "clear",
      async holds(doors, entrance) {
        await hold(doors);
        const tls = { as: "client", tls: { servername: "relay.test", ca: certs().ca } } as const;
        const none: Talk = ["C: ATRN", "P: 530 5.7.0 *", "C: ATRN example.org", "P: 530 5.7.0 *"];
        const peer = await knockAt(doors.strictPort);
        await play(
          peer,
          "C",
          [
            ...["P: 220 *", "C: ATRN", "P: 503 5.5.1 *", ...helloAt(entrance), ...none],
            ...["C: AUTH CRAM-MD5", "P: 530 5.7.0 *", ...none, "C: STARTTLS", "P: 220 *", "starttls"],
            ...["C: ATRN example.org", "P: 503 5.5.1 *", ...helloAt(entrance)],
            ...["C: ATRN example.org", "P: 530 5.7.0 *", `C: ${plain("home", "home secret")}`, "P: 235 *"],
            ...["C: ATRN work.test", "P: 450 4.7.1 *", ...goesOn],
          ],
          { tls },
        );
        await doors.quiet();
        await isKept(doors, entrance, BODY);
      },
    },
    row("inside a transaction", "known", (entrance) => [
      ...[`C: MAIL FROM:<${senderAt(entrance)}>`, "P: 250 *", "C: ATRN", "P: 503 5.5.1 *", ...goesOn],
    ]),
    {
      ...row("arguments that are not a list of the customer's domains", "known", () => [
        ...refused.flatMap(([argument, code]) => [`C: ATRN ${argument}`, `P: ${code} *`]),
        ...goesOn,
      ]),
      items: refused.map(([argument]) => argument.slice(0, 20)),
    },
    row("twice, where there is no mail", "known", () => [
      ...["C: ATRN example.com", "P: 453 4.0.0 *", "C: ATRN example.com", "P: 453 4.0.0 *", ...goesOn],
    ]),
    {
      ...{ name: "A.TEST is a.test", at },
      async holds(doors, entrance) {
        await hold(doors);
        await tried(doors, entrance, "known", [
          ...["C: ATRN EXAMPLE.ORG", "P: 250 2.0.0 *", "C: 220 home.test", "P: EHLO relay.test", "close"],
        ]);
        await isKept(doors, entrance, BODY);
      },
    },
    {
      ...{ name: "another customer's domain and nobody's are answered alike", at },
      async holds(doors, entrance) {
        const heard = await tried(doors, entrance, "known", [
          ...["C: ATRN work.test", "P: 450 4.7.1 *", "C: ATRN nobody.test", "P: 450 4.7.1 *", ...quit],
        ]);
        const [first, second] = heard.split("\r\n");
        assert.equal(first, second);
      },
    },
  ],
};

const behind: Readonly<Record<string, string>> = {
  "220 and 250 in one segment": "ATRN example.org\r\n220 x\r\n250 x\r\n",
  "a second ATRN in one segment": "ATRN\r\nATRN\r\n",
  "one octet in one segment": "ATRN\r\n2",
};

export const acrossTheTurn: Family = {
  name: "injection at the turn",
  rows: Object.entries(behind).map(
    ([name, octets]): Row => ({
      ...{ name, at },
      async holds(doors, entrance) {
        await hold(doors);
        const logged = () => doors.post.logged.filter(({ event }) => event === "session failed").length;
        const before = logged();
        await tried(doors, entrance, "known", [`C: ${octets}\\`, "P: 421 4.7.0 *", "end"]);
        assert.equal(logged(), before + 1);
        await isKept(doors, entrance, BODY);
      },
    }),
  ),
};

const FROM: Talk = ["C: MAIL FROM:<a@world.test>", "P: 250 *"];
const RESET: Talk = ["C: RSET", "P: 250 *"];

/** The house after the turn. */
export const reversed: Family = {
  name: "the reversed session",
  rows: [
    talksRow(
      "what a provider has no business to say",
      "open",
      [
        ["RCPT for a foreign domain", [...FROM, "C: RCPT TO:<v@other.test>", "P: 550 5.7.1 *", ...RESET]],
        ["AUTH", ["C: AUTH PLAIN AGEAYg==", "P: 502 5.5.1 *"]],
        ["STARTTLS", ["C: STARTTLS", "P: 50? 5.5.1 *"]],
        ["ATRN", ["C: ATRN example.org", "P: 502 5.5.1 *"]],
        ["ETRN", ["C: ETRN example.org", "P: 502 5.5.1 *"]],
        ["XODMRWAIT", ["C: XODMRWAIT", "P: 502 5.5.1 *"]],
      ],
      ({ service }) => service === "reversed",
    ),
  ],
};
