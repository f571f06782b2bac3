/** The turned line, at the customer: we are the server now, and what was held for us comes in (RFC 2645 §5.3). */
// We greet first. Whatever is already here was said before our greeting and cannot be an answer to it.

import type { Connection } from "../net/connection.ts";
import { Drive, type Patience, patience } from "../net/drive.ts";
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
  /** What is taken at this time of day is at most so large; the announced SIZE stays what it is. */
  readonly largest?: number | undefined;
  /** What came by another relay already is removed. */
  readonly doubles?: "keep" | "remove" | undefined;
  /** We would stay on the line for another round: XODMRTURN is offered. */
  readonly again?: boolean;
  /** Aborted when we are to leave: what is under way is finished, and nothing new is taken. */
  readonly stopping?: AbortSignal;
}

/** What was taken, and how the provider left: with QUIT, or for another round, as the server again on the same connection. */
export interface Visit extends Taken {
  readonly again: boolean;
}

/** A provider may walk its whole queue before its EHLO: minutes on a large one (seen with Exim). */
const unhurried: Patience = { ...patience, read: 15 * 60_000 };
/** Bodies whose commit may be under way while the next ones are read. */
const OWED = 512;
const RECIPIENTS = 1_000;

const leaving = reply(421, "4.3.2", "Going down, keep the rest for another call");
const acrossTheTurn = reply(421, "4.7.0", "Nobody speaks across the turn");

/** Serves the provider until its QUIT. @throws CallError if the line ended in any other way; what was taken is safe. */
export async function takeIn(house: House, connection: Connection): Promise<Visit> {
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
    again: house.again === true,
    ...(house.largest !== undefined && { limit: house.largest }),
  });
  const drive = new Drive(session, connection, unhurried);
  let helo = "";
  let verb: "EHLO" | "HELO" | "LHLO" = "HELO";
  let octets = 0;
  const acceptor = new Acceptor(
    drive,
    houseDoor(house.account, house.domains, { largest: house.largest, doubles: house.doubles }),
    house,
    () => ({
      helo,
      verb,
      address: connection.peer.address,
      ...(connection.tls && { tls: { protocol: connection.tls.protocol, cipher: connection.tls.cipher } }),
    }),
  );
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
      case "auth":
      case "response":
      case "starttls":
      case "atrn":
      case "etrn":
      case "wait":
      case "pair":
        // The table of rules.ts shuts these after the turn.
        return session.reply(reply(502, "5.5.1", "Command not available here"));
      case "again":
        if (connection.pending > 0) return session.shut(acrossTheTurn);
        return session.reply(reply(250, "2.0.0", "Your turn again"));
      // Why it failed is said once: by the error that this call ends with.
      case "failed":
      case "quit":
        return;
      default:
        event satisfies never;
    }
  };

  const stop = () => drive.stop(leaving);
  house.stopping?.addEventListener("abort", stop);
  session.greet(reply(220, undefined, `${house.hostname} ESMTP ready`));
  const ending = await drive
    .run({ answer })
    .finally(() => house.stopping?.removeEventListener("abort", stop));
  if (ending.type === "turned") return { ...taken(), again: true };
  const { why } = ending;
  if (why === "quit") return { ...taken(), again: false };
  throw new CallError("later", `the line ended before the provider's QUIT: ${why}`, { taken: taken() });
}
