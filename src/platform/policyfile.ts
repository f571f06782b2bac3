/** Fetches the file in which a domain publishes its MTA-STS policy (RFC 8461 §3.3). */
// Whoever serves it is a stranger: one deadline is over all of it, its size has an end, and nobody sends us elsewhere.
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { Clock } from "./clock.ts";
import type { Names } from "./dns.ts";

export interface FetchTools {
  readonly names: Pick<Names, "addresses">;
  readonly clock: Clock;
  /** Other than 443 only in tests. */
  readonly port?: number;
  /** PEM; undefined: the system's. */
  readonly ca?: string;
}

/** The text of a domain's policy. @throws if there is none to be had now */
export type FetchPolicy = (domain: string) => Promise<string>;

/** Milliseconds for all of it, octets of a file, and addresses that are tried. */
const WITHIN = 60_000;
const AT_MOST = 65_536;
const TRIED = 4;

export function policyFetcher(tools: FetchTools): FetchPolicy {
  return async (domain) => {
    const host = `mta-sts.${domain}`;
    const end = new AbortController();
    const timer = tools.clock.after(WITHIN, () => end.abort(new Error(`no policy from ${host} in time`)));
    try {
      let trouble: unknown = new Error(`${host} has no address`);
      for (const address of (await tools.names.addresses(host)).slice(0, TRIED))
        try {
          return await fetchFrom(address, host, { ...tools, signal: end.signal });
        } catch (fault) {
          trouble = fault;
        }
      throw trouble;
    } finally {
      timer.stop();
    }
  };
}

type Terms = Pick<FetchTools, "port" | "ca"> & { readonly signal: AbortSignal };

function fetchFrom(address: string, host: string, { port = 443, ca, signal }: Terms): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({
      ...{ host: address, port, servername: host, path: "/.well-known/mta-sts.txt" },
      headers: { host, connection: "close" },
      // No agent: what it keeps open would outlive the question.
      agent: false,
      // By the policy's host and never by the address that we dialled.
      checkServerIdentity: (_: string, shown: PeerCertificate) => checkServerIdentity(host, shown),
      ...(ca !== undefined && { ca }),
    });
    const fail = (why: unknown) => {
      signal.removeEventListener("abort", late);
      asked.destroy();
      reject(why);
    };
    const late = () => fail(signal.reason);
    if (signal.aborted) return late();
    signal.addEventListener("abort", late);
    asked.on("error", fail);
    asked.on("response", (answer) => {
      read(answer).then((text) => {
        signal.removeEventListener("abort", late);
        asked.destroy();
        resolve(text);
      }, fail);
    });
    asked.end();
  });
}

/** Only a 200 with text is a policy: a redirect leads nowhere, and a page for browsers may be anybody's. */
async function read(answer: IncomingMessage): Promise<string> {
  const { statusCode, headers } = answer;
  if (statusCode !== 200) throw new Error(`the policy's host answers ${statusCode}`);
  const type = headers["content-type"] ?? "";
  if (!/^text\/plain\s*(;|$)/i.test(type)) throw new Error(`the policy is no text/plain but "${type}"`);
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of answer as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > AT_MOST) throw new Error(`the policy is larger than ${AT_MOST} octets`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("latin1");
}
