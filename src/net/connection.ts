/** One two-way stream of octets, plain or under TLS; all that sessions ever see of a network. */
// Every wait has a deadline. A connection that broke stays broken: read and write throw ConnectionError from then on.

import type { Clock } from "../platform/clock.ts";

/** What TLS knows of the peer and of itself. */
export interface TlsFacts {
  readonly protocol: string;
  readonly cipher: string;
  /** The certificate that the peer showed; undefined if it showed none. */
  readonly certificate?: {
    /** SHA-256 over the DER form, 64 lower-case hex digits. */
    readonly fingerprint: string;
    /** The common name and the DNS names in it. */
    readonly names: readonly string[];
    /** Whether it chains to the configured CA and is within its dates. Ask `certificate` first: without one this means nothing. */
    readonly trusted: boolean;
    readonly notAfter: number;
  };
  /** tls-exporter channel binding (RFC 9266), 32 octets; undefined where the runtime or TLS < 1.3 cannot. */
  readonly exporter?: () => Uint8Array;
}

export interface Peer {
  /** An IP address, or "unix". */
  readonly address: string;
  readonly port: number;
}

export interface ServerTls {
  readonly certificate: string | Uint8Array;
  readonly key: string | Uint8Array;
  /** With it, client certificates are asked for and checked against it (one that does not fit is shown as untrusted). */
  readonly clientCa?: string | Uint8Array;
  /** Ask for a client certificate without any CA too: for pinned fingerprints. */
  readonly askClient?: boolean;
  /** What the CA says of a certificate (DER) that a client showed: a revoked one ends the handshake, "unknown" is untrusted. */
  readonly standing?: (certificate: Uint8Array, now: number) => "good" | "revoked" | "unknown";
}

export interface ClientTls {
  /** The name that the certificate must have, sent as SNI. */
  readonly servername: string;
  /** Whoever answers is taken (RFC 7435): against those who only listen. Without it the certificate is checked. */
  readonly anybody?: true;
  /** PEM; undefined: the system's. */
  readonly ca?: string | Uint8Array;
  /** SHA-256 fingerprint (hex) of the very certificate; with it, neither name nor chain nor date are asked. */
  readonly pin?: string;
  readonly certificate?: string | Uint8Array;
  readonly key?: string | Uint8Array;
}

export type TlsRole =
  | { readonly as: "server"; readonly tls: ServerTls }
  | { readonly as: "client"; readonly tls: ClientTls };

export interface Connection {
  /** By which its waits are measured. */
  readonly clock: Clock;
  readonly peer: Peer;
  readonly local: Peer;
  readonly tls: TlsFacts | undefined;
  /** Octets that came and were not read: the box that must be empty at a turn. */
  readonly pending: number;
  /**
   * The next octets, at least one; undefined at the peer's end of stream.
   * Under TLS neither runtime tells an end without close_notify from one with it: that a body is whole shows by its final
   * dot or its announced size alone, never by the end of the stream.
   * @param within milliseconds @throws ConnectionError
   */
  read(within: number): Promise<Uint8Array | undefined>;
  /** Resolves when the octets were handed on and the peer keeps up. Writes leave in the order of the calls. @throws ConnectionError */
  write(bytes: Uint8Array, within: number): Promise<void>;
  /** Resolves when the octets have left this process: what is written next is another TLS record. @throws ConnectionError */
  writeThrough(bytes: Uint8Array, within: number): Promise<void>;
  /** Upgrades. Octets that came before the handshake make it throw: they are an injection (RFC 3207 §4.2). @throws ConnectionError */
  startTls(role: TlsRole, within: number): Promise<Connection>;
  /** Sends what was written, ends the stream, and closes for good after `within` at most. Never throws. */
  close(within?: number): Promise<void>;
  /** Closes at once, dropping what was not sent. */
  destroy(): void;
}

export type ConnectionFault =
  | "timeout"
  | "reset"
  | "refused"
  | "unreachable"
  | "name"
  | "tls"
  | "injection"
  | "closed";

/** A connection that could not be made or kept. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly fault: ConnectionFault;
  constructor(fault: ConnectionFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}
