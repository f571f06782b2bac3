/** What systemd wants and gives: readiness by its notify socket, and sockets that it opened (sd_notify(3), sd_listen_fds(3)). */
import { execFile } from "node:child_process";

/** The first of the descriptors that are passed. */
const FIRST = 3;

export interface PassedSocket {
  readonly fd: number;
  /** FileDescriptorName= of the socket unit; "unknown" or the unit's name without one. */
  readonly name: string;
}

/** The sockets that were passed to this process; none without systemd. */
export function passedSockets(env: NodeJS.ProcessEnv, pid: number): readonly PassedSocket[] {
  if (env.LISTEN_PID !== String(pid)) return [];
  const names = env.LISTEN_FDNAMES?.split(":") ?? [];
  return Array.from({ length: Number(env.LISTEN_FDS ?? 0) }, (_, i) => ({
    fd: FIRST + i,
    name: names[i] ?? "unknown",
  }));
}

/**
 * Tells the service manager: "READY=1", "STOPPING=1", "RELOADING=1". No runtime of ours speaks unix datagrams, so
 * systemd-notify does (the unit says NotifyAccess=all). Where nobody listens, or it is not there, nothing happens.
 */
export function notify(state: string, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  if (!env.NOTIFY_SOCKET) return Promise.resolve();
  return new Promise((resolve) => {
    execFile("systemd-notify", [`--pid=${process.pid}`, state], () => resolve());
  });
}
