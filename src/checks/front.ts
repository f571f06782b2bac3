/** Who spoke to the mail server in front of us, by the Received field that it put on top. */
import { isIP } from "node:net";
import type { Visitor } from "./check.ts";

/** `from HELO (name [address])`, as Postfix, Exim (`from name ([address] helo=…)`) and Sendmail write it. */
const FROM = /^received:\s*from\s+(\S+)\s+\(([^()\r\n]*(?:\r?\n[ \t][^()\r\n]*)*)\)/i;

/** undefined: the field does not say, or there is none. */
export function frontVisitor(field: Uint8Array | undefined): Visitor | undefined {
  const [, first = "", comment = ""] =
    FROM.exec(new TextDecoder("latin1").decode(field?.subarray(0, 2_048))) ?? [];
  const [, address = ""] = /\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]/i.exec(comment) ?? [];
  if (isIP(address) === 0) return undefined;
  return { address, helo: /\bhelo=([^\s)]+)/i.exec(comment)?.[1] ?? first };
}
