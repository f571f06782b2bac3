/** Questions to DNS by type, for checks at the door: a stub that asks the system's name servers (RFC 1035, 6891, 7766). */
// The runtimes' own resolvers fail here: Bun's makes several records of one TXT in several strings (long DKIM keys), Deno's
// does not tell "none" from "no answer". That there is nothing is an answer ([]); that nobody answers is a NameTrouble.
import { createSocket } from "node:dgram";
import { getServers } from "node:dns";
import { connect, isIPv6 } from "node:net";
import type { DecodedPacket } from "dns-packet";
import { NameTrouble } from "./dns.ts";
import { systemRandom } from "./random.ts";

/** What an answer of a type is made of. */
export interface Records {
  readonly A: string;
  readonly AAAA: string;
  readonly PTR: string;
  /** The texts of one record, which belong together. */
  readonly TXT: readonly string[];
  readonly MX: { readonly priority: number; readonly exchange: string };
  /** RFC 6698 §2.1. */
  readonly TLSA: {
    readonly usage: number;
    readonly selector: number;
    readonly matchingType: number;
    readonly certificate: Uint8Array;
  };
}

export type RecordType = keyof Records;

export interface Lookup {
  /** @throws NameTrouble */
  ask<T extends RecordType>(name: string, type: T): Promise<readonly Records[T][]>;
}

interface Server {
  readonly host: string;
  readonly port: number;
}

/** A server, and how long it is waited for. */
interface Asked extends Server {
  readonly within: number;
}

/** Milliseconds for one try: whoever asks has somebody waiting on a line. */
const WITHIN = 2_500;
const ROUNDS = 2;
/** What passes over any network in one piece. */
const UDP_SIZE = 1_232;

/** @param servers `address` or `address:port`; none: the system's @param within milliseconds for one try */
export function systemLookup(servers: readonly string[] = [], within = WITHIN): Lookup {
  return {
    async ask<T extends RecordType>(name: string, type: T) {
      // What cannot be asked for is not there.
      if (!isName(name)) return [];
      const places = (servers.length > 0 ? servers : getServers()).map(serverOf);
      let trouble: unknown;
      for (let round = 0; round < ROUNDS; round++)
        for (const server of places)
          try {
            return recordsIn(await query({ ...server, within }, name, type), type);
          } catch (fault) {
            trouble = fault;
          }
      throw new NameTrouble(`no answer on ${name}`, { cause: trouble });
    },
  };
}

/** A name that DNS can hold: labels of 1 to 63 octets, 253 in all. */
function isName(name: string): boolean {
  const text = name.endsWith(".") ? name.slice(0, -1) : name;
  return (
    text.length <= 253 &&
    /^[\x21-\x7e]+$/.test(text) &&
    text.split(".").every((label) => label !== "" && label.length <= 63)
  );
}

/** @throws if the server does not answer, or not to this question */
async function query(server: Asked, name: string, type: RecordType): Promise<DecodedPacket> {
  const { decode, encode } = await import("dns-packet");
  const [high = 0, low = 0] = systemRandom.bytes(2);
  const id = high * 256 + low;
  const asked = encode({
    ...{ type: "query", id, flags: 1 << 8, questions: [{ type, name }] },
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: UDP_SIZE,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  const answerIn = (bytes: Uint8Array): DecodedPacket | undefined => {
    const answer = decode(Buffer.from(bytes));
    const [question] = answer.questions ?? [];
    const fits = answer.type === "response" && answer.id === id && question?.type === type;
    return fits && question.name.toLowerCase() === name.replace(/\.$/, "").toLowerCase() ? answer : undefined;
  };
  const answer = await byDatagram(server, asked, answerIn);
  return answer.flag_tc ? await byStream(server, asked, answerIn) : answer;
}

type Read = (bytes: Uint8Array) => DecodedPacket | undefined;

/** From a port of its own, that hears this server alone: what somebody else guesses does not fit (RFC 5452). */
function byDatagram({ host, port, within }: Asked, asked: Uint8Array, read: Read): Promise<DecodedPacket> {
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  return new Promise<DecodedPacket>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no answer in time")), within);
    const over = () => clearTimeout(timer);
    const fail = (fault: Error) => {
      over();
      reject(fault);
    };
    socket.on("error", fail);
    socket.on("message", (bytes, from) => {
      const answer = from.port === port ? readable(read, bytes) : undefined;
      if (answer === undefined) return;
      over();
      resolve(answer);
    });
    // Where the host has no way there, it is this that hears of it.
    socket.connect(port, host, (fault?: Error) => (fault ? fail(fault) : socket.send(asked)));
  }).finally(() => socket.close());
}

/** With its length before it (RFC 1035 §4.2.2). */
function byStream({ host, port, within }: Asked, asked: Uint8Array, read: Read): Promise<DecodedPacket> {
  const socket = connect({ host, port });
  return new Promise<DecodedPacket>((resolve, reject) => {
    let got = Buffer.alloc(0);
    socket.setTimeout(within, () => reject(new Error("no answer in time")));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed before the answer")));
    socket.on("data", (bytes: Uint8Array) => {
      got = Buffer.concat([got, bytes]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      const answer = readable(read, got.subarray(2, 2 + got.readUInt16BE(0)));
      if (answer === undefined) reject(new Error("an answer to no question of ours"));
      else resolve(answer);
    });
    socket.on("connect", () =>
      socket.write(Buffer.concat([Buffer.from([asked.length >> 8, asked.length & 255]), asked])),
    );
  }).finally(() => socket.destroy());
}

function readable(read: Read, bytes: Uint8Array): DecodedPacket | undefined {
  try {
    return read(bytes);
  } catch {
    return undefined;
  }
}

/** @throws if the server could not say */
function recordsIn<T extends RecordType>(answer: DecodedPacket, type: T): readonly Records[T][] {
  const { rcode } = answer as unknown as { readonly rcode: string };
  if (rcode === "NXDOMAIN") return [];
  if (rcode !== "NOERROR") throw new Error(rcode);
  const found: unknown[] = [];
  for (const record of answer.answers ?? [])
    if (record.type === type)
      found.push(
        record.type === "TXT"
          ? [record.data].flat().map((text) => Buffer.from(text as Uint8Array | string).toString("latin1"))
          : record.type === "MX"
            ? { priority: record.data.preference ?? 0, exchange: record.data.exchange }
            : record.data,
      );
  return found as Records[T][];
}

function serverOf(text: string): Server {
  const [, v6, host = text, port = "53"] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  return { host: v6 ?? host, port: Number(port) };
}
