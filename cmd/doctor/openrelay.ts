/** Whether a listener would relay: strangers' recipients are named to it in all the ways that ever worked somewhere. */
// No message is sent: every transaction is taken back before DATA.
import { type Connection, ConnectionError } from "../../src/net/connection.ts";
import { fail, ok, type Verdict } from "./check.ts";

export interface Trial {
  readonly service: string;
  /** A domain of a customer. */
  readonly ours: string;
  readonly hostname: string;
  /** Milliseconds for the greeting. */
  readonly patience: number;
}

/** Nobody's, for good (RFC 6761 §6.4). */
const OTHER = "odmr-doctor.invalid";

interface Recipient {
  readonly text: string;
  /** Whether taking it means to send it on. */
  readonly leaves: boolean;
}

function recipients(ours: string): readonly Recipient[] {
  return [
    { text: `v@${OTHER}`, leaves: true },
    { text: `@${ours}:v@${OTHER}`, leaves: true },
    { text: `v@[192.0.2.1]`, leaves: true },
    { text: `v@${ours}.${OTHER}`, leaves: true },
    { text: `v%${OTHER}@${ours}`, leaves: false },
    { text: `"v@${OTHER}"@${ours}`, leaves: false },
    { text: `${OTHER}!v@${ours}`, leaves: false },
    { text: `v@${ours}.`, leaves: false },
  ];
}

const senders = (ours: string): readonly string[] => ["", `v@${OTHER}`, `postmaster@${ours}`];

const STEP = 10_000;

/** What was taken, as `sender → recipient`; `tried` is how many were named. */
export interface Relaying {
  readonly tried: number;
  readonly leaving: readonly string[];
  /** Taken as addresses of a customer: what its mail server makes of them is its own affair. */
  readonly odd: readonly string[];
}

/** @param connection to a server that has not greeted yet; it is told goodbye and not closed */
export async function relaying(
  connection: Connection,
  { service, ours, hostname, patience }: Trial,
): Promise<Relaying | string> {
  const leaving: string[] = [];
  const odd: string[] = [];
  let tried = 0;
  const line = new PlainLine(connection);
  const greeting = await line.reply(patience);
  if (!isTaken(greeting)) return greeting;
  await line.ask(`${service === "lmtp" ? "LHLO" : "EHLO"} ${hostname}`);
  try {
    for (const from of senders(ours)) {
      const begun = isTaken(await line.ask(`MAIL FROM:<${from}>`));
      for (const { text, leaves } of recipients(ours)) {
        tried++;
        // Also without a transaction: a server that takes a recipient then is a relay too.
        if (isTaken(await line.ask(`RCPT TO:<${text}>`)))
          (leaves ? leaving : odd).push(`<${from}> → <${text}>`);
      }
      if (begun) await line.ask("RSET");
    }
    await line.ask("QUIT");
  } catch (error) {
    // Who is sent away for so many strangers has heard his answer.
    if (!(error instanceof ConnectionError) || tried === 0) throw error;
  }
  return { tried, leaving, odd };
}

const isTaken = (reply: string): boolean => reply.startsWith("2");

export function relayVerdict({ tried, leaving, odd }: Relaying, ours: string): Verdict {
  if (leaving.length > 0)
    return fail(
      `it takes mail for strangers: ${leaving.join(", ")}`,
      "stop it, and see who listens there: odmr takes mail for its customers' domains alone",
    );
  const said = `${tried - odd.length} ways to relay were refused`;
  const taken = [...new Set(odd.map((each) => each.slice(each.indexOf("→") + 2)))];
  return taken.length === 0
    ? ok(said)
    : ok(`${said}; ${taken.join(", ")} would go to the customer of ${ours}, as addresses of it`);
}

/** Commands as they are written, strange as they are: what speaks for the program itself writes no such thing. */
class PlainLine {
  readonly #connection: Connection;
  readonly #decoder = new TextDecoder();
  #unread = "";

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async ask(command: string): Promise<string> {
    await this.#connection.write(new TextEncoder().encode(`${command}\r\n`), STEP);
    return await this.reply(STEP);
  }

  /** The last line of the next reply. @throws ConnectionError */
  async reply(within: number): Promise<string> {
    for (;;) {
      const end = /^\d{3}(?: [^\n]*)?\r?\n/m.exec(this.#unread);
      if (end !== null) {
        this.#unread = this.#unread.slice(end.index + end[0].length);
        return end[0].trimEnd();
      }
      const bytes = await this.#connection.read(within);
      if (bytes === undefined) throw new ConnectionError("closed", "it closed the line");
      this.#unread += this.#decoder.decode(bytes, { stream: true });
      if (this.#unread.length > REPLY_AT_MOST) throw new ConnectionError("closed", "a reply without end");
    }
  }
}

const REPLY_AT_MOST = 65_536;
