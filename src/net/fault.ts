/** From what a runtime says went wrong to the few faults that the program tells apart. */
// The message names the thing and the cause keeps the runtime's own words; nobody else reads error codes.
import { ConnectionError, type ConnectionFault, type Peer } from "./connection.ts";

const FAULTS: Readonly<Record<string, ConnectionFault>> = {
  ECONNREFUSED: "refused",
  ENOENT: "refused",
  ENOTSOCK: "refused",
  FailedToOpenSocket: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EACCES: "unreachable",
  EPERM: "unreachable",
  ETIMEDOUT: "timeout",
  ENOTFOUND: "name",
  EAI_AGAIN: "name",
  ENODATA: "name",
  DNS_ENOTFOUND: "name",
};

/** The error code of an error, of whatever runtime; "" if it has none. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

/** `what` is the thing that failed, such as "connecting to 192.0.2.1:366". A code that we do not know is a reset. */
export function connectionError(what: string, error: unknown): ConnectionError {
  if (error instanceof ConnectionError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ConnectionError(FAULTS[codeOf(error)] ?? "reset", `${what}: ${why}`, { cause: error });
}

/** "192.0.2.1:366", "[2001:db8::1]:366" or "unix". */
export function peerName({ address, port }: Peer): string {
  if (address === "unix") return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
