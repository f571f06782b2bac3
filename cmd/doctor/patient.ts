/** What is examined, and what it is examined with: the configuration, and everything outside that a check may ask. */
// All that reaches out of the process is in here, so that a test can put another world in its place.
import type { Config, Customer } from "../../src/config/config.ts";
import type { Place } from "../../src/config/endpoint.ts";
import type { ClientTls, Connection } from "../../src/net/connection.ts";
import type { Clock } from "../../src/platform/clock.ts";
import type { Lookup } from "../../src/platform/lookup.ts";
import type { FetchPolicy } from "../../src/platform/policyfile.ts";
import type { Random } from "../../src/platform/random.ts";
import type { EmbeddedSpool } from "../../src/spool/front.ts";

export interface Patient {
  readonly config: Config;
  /** Loads the configuration anew with all the files that it names. @throws ConfigError */
  load(): Promise<unknown>;
  /** What works there and is seldom meant. */
  remarks(): Promise<readonly string[]>;
  readonly clock: Clock;
  readonly random: Random;
  readonly lookup: Lookup;
  /** The text of a domain's MTA-STS policy. */
  readonly policy: FetchPolicy;
  dial(at: Reach, within: number, tls?: ClientTls): Promise<Connection>;
  /** The addresses of this machine. */
  readonly interfaces: readonly string[];
  /** Public CAs, PEM. */
  readonly roots: readonly string[];
  readonly disk: Disk;
  /** Opened once, at the first question; undefined: there is none. */
  spool(): Promise<EmbeddedSpool | undefined>;
  /** How far this clock is before another, in milliseconds; undefined: none was named. */
  readonly time: (() => Promise<number>) | undefined;
  /** Read every body. */
  readonly bodies: boolean;
  /** Whom odmr becomes; undefined: nobody is named; a text: why there is no such user. */
  readonly owner: Owner | string | undefined;
}

export type Reach = Place | { readonly path: string };

export interface Owner {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** What is asked of a file system. */
export interface Disk {
  /** undefined: nothing is there. @throws the system's error */
  mode(path: string): Promise<FileMode | undefined>;
  /** Of the file system that a path lies on. */
  room(path: string): Promise<Room>;
  /** Writes and syncs in this folder for a moment, in a file that has no name. @returns syncs a second */
  syncs(folder: string): Promise<number>;
  /** Whether this process may make files in a folder. */
  writable(folder: string): Promise<boolean>;
}

export interface FileMode {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly folder: boolean;
}

export interface Room {
  /** The magic number of its kind (statfs). */
  readonly type: number;
  /** Octets. */
  readonly free: number;
  readonly size: number;
  /** Files that may still be made; undefined: it has no such bound. */
  readonly files: number | undefined;
}

export const customersOf = ({ config }: Patient): readonly Customer[] => config.serve?.customers ?? [];
export const accountsOf = ({ config }: Patient) => config.pull?.accounts ?? [];
/** Whether the spool is a database that many relays share, and no file here. */
export const isShared = ({ config }: Patient): boolean => config.spool.includes("://");
