/** Reads a peer's lines: commands, SASL responses, and what shows that it is no mail client at all. */
// After a fault nothing more can be made of what the peer sends: the session ends.

import { decodeBase64 } from "../wire/base64.ts";
import { type Command, LINE_LIMIT, parseCommand } from "../wire/command.ts";
import type { Inbox } from "../wire/inbox.ts";
import type { Reply } from "../wire/reply.ts";
import { foreignWord, say } from "./rules.ts";

export interface Fault {
  readonly fault: string;
  readonly farewell: Reply;
}

/** Commands in a row that brought no mail forward, after which the peer is sent away. */
const IDLE_COMMANDS = 1_000;

export class CommandReader {
  #first = true;
  #idle = 0;

  /** The next command, or why the line is none; undefined: more octets are needed. */
  next(inbox: Inbox): Command | { readonly problem: Reply } | Fault | undefined {
    const line = inbox.line(LINE_LIMIT);
    if (line === undefined) return undefined;
    if (line === "long") return endless;
    if (this.#first && foreignWord.test(latin1(line.subarray(0, 8))))
      return { fault: "speaks another protocol", farewell: say.otherProtocol };
    this.#first = false;
    if (++this.#idle > IDLE_COMMANDS)
      return { fault: "too many commands for no mail", farewell: say.tooIdle };
    const command = parseCommand(line);
    if (!("problem" in command)) return command;
    // Where the chunk behind such a BDAT ends, nobody knows.
    if (command.verb === "BDAT") return { fault: "a BDAT that cannot be read", farewell: command.problem };
    return command;
  }

  /** A response to a challenge; "gave up" at "*". */
  response(inbox: Inbox): Uint8Array | "gave up" | "bad" | Fault | undefined {
    const line = inbox.line(LINE_LIMIT);
    if (line === undefined) return undefined;
    if (line === "long") return endless;
    const text = latin1(line);
    return text === "*" ? "gave up" : decodeBase64(text);
  }

  /** Mail moved on: the peer is no idler. */
  fruitful(): void {
    this.#idle = 0;
  }
}

const endless: Fault = { fault: "a line without end", farewell: say.lineTooLong };

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const octet of bytes) text += String.fromCharCode(octet);
  return text;
}
