/** The HTTP below the ACME library: one question, one answer, within a time, and with the CA that is trusted for it. */
// Nothing is tried again here: who asks too often is locked out by the CA, so the next try is the keeper's to time.
import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestSecured } from "node:https";
import type { Clock, Instant } from "../platform/clock.ts";

export interface ExchangeTools {
  readonly clock: Clock;
  /** Who signed the certificate of the directory, PEM; undefined: the system's CAs. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
  /** The CA said not to come again before this moment. */
  onLater(at: Instant): void;
}

/** What the library's HTTP client asks of what is below it. */
export interface Question {
  readonly url?: string;
  readonly method?: string;
  readonly headers: { toJSON(): object };
  readonly data?: unknown;
}

export interface Answer {
  readonly data: string;
  readonly status: number;
  readonly statusText: string;
  readonly headers: Record<string, string | string[] | undefined>;
}

const WITHIN = 30_000;
const AT_MOST = 1024 * 1024;

/** @throws an error that names the host, if there is no answer */
export async function ask({ url = "", method = "get", headers, data }: Question, tools: ExchangeTools) {
  const at = new URL(url);
  const { clock, ca, signal } = tools;
  const late = new AbortController();
  const timer = clock.after(WITHIN, () => late.abort(new Error(`no answer within ${WITHIN / 1_000} s`)));
  try {
    const request = at.protocol === "http:" ? requestPlain : requestSecured;
    const asked = request(at, {
      method: method.toUpperCase(),
      headers: headers.toJSON() as Record<string, string>,
      agent: false,
      ...(ca !== undefined && { ca }),
    });
    const answer = await answerTo(asked, data, AbortSignal.any([signal, late.signal]));
    later(answer, clock.now(), tools);
    return answer;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${at.host} cannot be asked: ${why}`, { cause });
  } finally {
    timer.stop();
  }
}

type Asked = ReturnType<typeof requestPlain>;

function answerTo(asked: Asked, data: unknown, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      asked.destroy();
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop);
    asked.on("error", reject);
    asked.on("response", (response) =>
      textOf(response).then((text) => resolve(seen(response, text)), reject),
    );
    asked.end(data);
    if (signal.aborted) stop();
  });
}

const seen = ({ statusCode = 0, statusMessage = "", headers }: IncomingMessage, data: string): Answer => ({
  ...{ data, status: statusCode, statusText: statusMessage, headers: { ...headers } },
});

async function textOf(response: IncomingMessage): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    size += piece.length;
    if (size > AT_MOST) throw new Error(`an answer of more than ${AT_MOST} octets`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** RFC 8555 §6.6, RFC 9110 §10.2.3: seconds, or a date. */
function later({ status, headers }: Answer, now: Instant, { onLater }: ExchangeTools): void {
  const said = headers["retry-after"];
  if ((status !== 429 && status !== 503) || typeof said !== "string") return;
  const at = /^\d+$/.test(said) ? now + Number(said) * 1_000 : Date.parse(said);
  if (at > now) onLater(at);
}
