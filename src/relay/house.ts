/** The turned line, at the customer: we are the server now, and what was held for us comes in (RFC 2645 §5.3). */
// We greet first. Whatever is already here was said before our greeting and cannot be an answer to it.

import type { Connection } from "../net/connection.ts";
import { Drive } from "../net/drive.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import { serverSession } from "../smtp/server.ts";
import type { ServerEvent } from "../smtp/session.ts";
import type { Spool } from "../spool/spool.ts";
import { reply } from "../wire/reply.ts";
import { Acceptor } from "./accept.ts";
import { CallError, type Taken } from "./callerror.ts";
import { houseDoor } from "./doors.ts";

export interface House {
  readonly hostname: string;
  readonly account: string;
  /** Domains that were asked for; undefined: all that come. */
  readonly domains: readonly string[] | undefined;
  readonly messageSize: number;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly log: Log;
  readonly progress?: (taken: Taken) => void;
}

/** A provider may walk its whole queue before its EHLO: minutes on a large one (seen with Exim). */
const patience = { read: 15 * 60_000, write: 5 * 60_000 };
/** Bodies whose commit may be under way while the next ones are read. */
const OWED = 512;
const RECIPIENTS = 1_000;

/** Serves the provider until its QUIT. @throws CallError if the line ended in any other way; what was taken is safe. */
export async function takeIn(house: House, connection: Connection): Promise<Taken> {
  if (connection.pending > 0) throw new CallError("protocol", "the provider spoke across the turn");
  const session = serverSession({
    service: "reversed",
    hostname: house.hostname,
    secure: connection.tls !== undefined,
    startTls: false,
    requireTls: false,
    mechanisms: [],
    sizeLimit: house.messageSize,
    recipientLimit: RECIPIENTS,
    bareLineEnds: "refuse",
    owedLimit: OWED,
    ledger: true,
  });
  const drive = new Drive(session, connection, patience);
  let helo = "";
  let verb: "EHLO" | "HELO" | "LHLO" = "HELO";
  let octets = 0;
  const acceptor = new Acceptor(drive, houseDoor(house.account, house.domains), house, () => ({
    helo,
    verb,
    address: connection.peer.address,
    ...(connection.tls && { tls: { protocol: connection.tls.protocol, cipher: connection.tls.cipher } }),
  }));
  const taken = (): Taken => ({ messages: acceptor.taken, octets });

  const answer = (event: ServerEvent): Promise<void> | void => {
    switch (event.type) {
      case "greeted":
        helo = event.name;
        verb = event.verb;
        return;
      case "octets":
        octets += event.bytes.length;
        return acceptor.answer(event);
      case "complete":
        house.progress?.(taken());
        return acceptor.answer(event);
      case "mail":
      case "rcpt":
      case "body":
      case "reset":
        return acceptor.answer(event);
      case "failed":
        return house.log.log("warn", "session failed", { why: event.why, service: "reversed" });
      case "auth":
      case "response":
      case "starttls":
      case "atrn":
      case "etrn":
      case "wait":
        // The table of rules.ts shuts these after the turn.
        return session.reply(reply(502, "5.5.1", "Command not available here"));
      case "quit":
        return;
      default:
        event satisfies never;
    }
  };

  session.greet(reply(220, undefined, `${house.hostname} ESMTP ready`));
  const ending = await drive.run(answer);
  if (ending.type === "over" && ending.why === "quit") return taken();
  const why = ending.type === "over" ? ending.why : "turned twice";
  throw new CallError("later", `the line ended before the provider's QUIT: ${why}`, { taken: taken() });
}
