/** From an error to the exit status (sysexits) and to what the user reads of it. */
// Everything that ends a command badly passes here; commands throw and never call process.exit.

import { ConfigError } from "../src/config/error.ts";
import { ConnectionError, type ConnectionFault } from "../src/net/connection.ts";
import { CallError, type CallFault } from "../src/relay/callerror.ts";
import { SpoolError, type SpoolFault } from "../src/spool/spool.ts";

/** The statuses that users rely on; the names are those of sysexits.h, without EX_. */
export const status = {
  ok: 0,
  noMatch: 1,
  usage: 64,
  dataError: 65,
  unavailable: 69,
  software: 70,
  cannotCreate: 73,
  ioError: 74,
  tempFail: 75,
  protocol: 76,
  noPermission: 77,
  config: 78,
} as const;

export type Status = (typeof status)[keyof typeof status];

/** The command line asks for something that cannot be asked for. The message says what to write instead. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Ends the command with this status and message; for outcomes that no error class stands for. */
export class Exit extends Error {
  override readonly name = "Exit";
  readonly status: Status;
  constructor(status: Status, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

const connection: Readonly<Record<ConnectionFault, Status>> = {
  name: status.unavailable,
  refused: status.unavailable,
  unreachable: status.unavailable,
  tls: status.unavailable,
  timeout: status.tempFail,
  reset: status.tempFail,
  closed: status.tempFail,
  injection: status.protocol,
};

const call: Readonly<Record<CallFault, Status>> = {
  unreachable: status.unavailable,
  later: status.tempFail,
  protocol: status.protocol,
  refused: status.noPermission,
};

const spool: Readonly<Record<SpoolFault, Status>> = {
  full: status.cannotCreate,
  busy: status.tempFail,
  corrupt: status.dataError,
  io: status.ioError,
  version: status.config,
  closed: status.software,
  unreachable: status.unavailable,
  denied: status.noPermission,
  request: status.dataError,
  protocol: status.protocol,
};

/** What the system says when a file cannot be had; other codes of system calls are ioError. */
const system: Readonly<Record<string, Status>> = {
  EACCES: status.cannotCreate,
  EEXIST: status.cannotCreate,
  EISDIR: status.cannotCreate,
  ENOSPC: status.cannotCreate,
  ENOTDIR: status.cannotCreate,
  EPERM: status.cannotCreate,
  EROFS: status.cannotCreate,
};

/** The exit status that this error stands for; 70, a bug, if it is none that we expect. */
export function statusOf(error: unknown): Status {
  if (error instanceof Exit) return error.status;
  if (error instanceof UsageError) return status.usage;
  if (error instanceof ConfigError) return status.config;
  if (error instanceof CallError) return call[error.fault];
  if (error instanceof ConnectionError) return connection[error.fault];
  if (error instanceof SpoolError) return spool[error.fault];
  if (isSystemError(error)) return system[error.code] ?? status.ioError;
  return status.software;
}

/** Begins with a file, as compilers do it. */
const WITH_PLACE = /^\S+: /;

/** What the user reads: one line for each thing that is wrong; for a bug the stack too, if ODMR_DEBUG is set. */
export function describe(error: unknown, debug: boolean): string {
  const message = error instanceof Error ? error.message : String(error);
  if (debug && error instanceof Error) return `odmr: ${stackOf(error)}`;
  if (error instanceof ConfigError)
    return error.problems.map((each) => (WITH_PLACE.test(each) ? each : `odmr: ${each}`)).join("\n");
  if (statusOf(error) !== status.software) return `odmr: ${message}`;
  return `odmr: a bug: ${message}; set ODMR_DEBUG=1 to see where`;
}

function stackOf(error: Error): string {
  const own = error.stack?.includes(error.message)
    ? error.stack
    : `${error.name}: ${error.message}\n${error.stack}`;
  return error.cause instanceof Error ? `${own}\ncaused by ${stackOf(error.cause)}` : own;
}

function isSystemError(error: unknown): error is Error & { readonly code: string; readonly syscall: string } {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}

/** A reader that has seen enough (`odmr … | head`) is no error: ends the process quietly, with 0. */
export function endQuietlyWithoutReader(stdout: NodeJS.WriteStream): void {
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(status.ok);
    throw error;
  });
}
