/** Who writes to whom in town, and what. */
// Subjects are such as mail has: long, foreign, empty, and some that hope to be taken for markup.
import type { Customer } from "../../src/relay/customers.ts";

export const HOLD = 30 * 86_400_000;

const customer = (name: string, domains: readonly string[], quota: number | undefined): Customer => ({
  ...{ name, domains, quota, hold: HOLD, recipients: undefined, compatibility: "auto", order: "oldest" },
});

export const CUSTOMERS: readonly Customer[] = [
  customer("home", ["example.org", "example.com"], 2 * 2 ** 30),
  customer("bakery", ["baeckerei.example"], undefined),
  customer("cabin", ["cabin.example"], 200_000),
  customer("school", ["school.example"], 120_000),
];

interface Kind {
  readonly from: string;
  readonly to: readonly string[];
  readonly customer: string;
  readonly subject: string;
  readonly text: string;
}

const KINDS: readonly Kind[] = [
  {
    ...{ from: "ada@analytical.example", to: ["bob@example.org"], customer: "home" },
    ...{
      subject: "Notes on the engine, second part",
      text: "Dear Bob,\r\n\r\nhere are the notes, as promised.\r\n",
    },
  },
  {
    ...{ from: "orders@mill.example", to: ["backstube@baeckerei.example"], customer: "bakery" },
    ...{
      subject: "Bestätigung: 40 Säcke Roggenmehl für Freitag",
      text: "Guten Tag,\r\n\r\nwir liefern am Freitag früh.\r\n",
    },
  },
  {
    ...{
      from: "news@library.example",
      to: ["ann@example.com", "bob@example.org", "kids@example.org"],
      customer: "home",
    },
    ...{ subject: "Three books are waiting for you", text: "They are kept until the end of the month.\r\n" },
  },
  {
    ...{ from: "weather@station.example", to: ["hut@cabin.example"], customer: "cabin" },
    ...{ subject: "Snow above 900 m from Thursday", text: "Bring chains.\r\n" },
  },
  {
    ...{ from: "winner@prize.example", to: ["ann@example.com"], customer: "home" },
    ...{
      subject: "<script>alert(1)</script> You have won & must click",
      text: "<img src=x onerror=alert(1)>\r\n",
    },
  },
  {
    ...{
      from: "office@district.example",
      to: ["head@school.example", "teachers@school.example"],
      customer: "school",
    },
    ...{
      subject: "Timetables for the second half of the year, with all rooms, corrected once more",
      text: "x\r\n",
    },
  },
  {
    ...{ from: "", to: ["former.colleague@example.org", "printer@example.org"], customer: "home" },
    ...{ subject: "Undelivered mail returned to sender", text: "It could not be delivered.\r\n" },
  },
  {
    ...{ from: "bob@example.org", to: ["grace@navy.example"], customer: "" },
    ...{ subject: "Re: the moth in the relay", text: "Keep it. Tape it into the log.\r\n" },
  },
  {
    ...{
      from: "scanner@office.example",
      to: ["printer@example.org"],
      customer: "home",
      subject: "",
      text: "page\r\n",
    },
  },
];

export interface Letter extends Kind {
  readonly peer: string;
  readonly body: string;
}

/** The n-th letter of the day. */
export function letterOf(n: number): Letter {
  const kind = KINDS[n % KINDS.length]!;
  const host = kind.from.split("@")[1] ?? "mx.elsewhere.example";
  const filler = "The quick brown fox jumps over the lazy dog.\r\n".repeat((n * 13) % 90);
  const body =
    `From: ${kind.from || "MAILER-DAEMON@mx.elsewhere.example"}\r\nTo: ${kind.to.join(", ")}\r\n` +
    `Subject: ${kind.subject}\r\nDate: Tue, 24 Nov 2026 09:12:33 +0000\r\nMessage-ID: <${n}@${host}>\r\n` +
    `MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${kind.text}\r\n${filler}`;
  return { ...kind, peer: `mx.${host} [192.0.2.${(n % 200) + 1}]`, body };
}
