/** An S3-compatible store in memory: what odmr asks of one, with every signature and every hash checked. */
// By Amazon's own rules (Signature Version 4), written here a second time: what signs the requests is not asked.
import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const KEYS = { id: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const BUCKET = "mail";
const REGION = "eu-test-1";
/** As Amazon has it; a page of a list is small here, so that there are several. */
const LEAST_PART = 5 * 1024 * 1024;
const PAGE = 3;

/** What becomes of a request: as usual; a status; the connection ends before it is done, or after. */
export type Fate = "done" | "lost before" | "lost after" | { readonly status: number; readonly code: string };

export interface Asked {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly octets: number;
}

export interface ObjectStore {
  readonly endpoint: string;
  readonly place: {
    readonly bucket: string;
    readonly prefix: string;
    readonly endpoint: string;
    readonly region: string;
  };
  readonly objects: Map<string, Buffer>;
  /** Of those that were begun and neither completed nor given up. */
  readonly uploads: ReadonlyMap<string, { readonly key: string }>;
  readonly asked: Asked[];
  fate: (asked: Asked) => Fate | Promise<Fate>;
  stop(): Promise<void>;
}

interface Upload {
  readonly key: string;
  readonly parts: Map<number, Buffer>;
}

type Said = {
  readonly status: number;
  readonly xml?: string;
  readonly body?: Buffer;
  readonly headers?: object;
};

export async function startObjectStore(): Promise<ObjectStore> {
  const objects = new Map<string, Buffer>();
  const uploads = new Map<string, Upload>();
  const asked: Asked[] = [];
  let begun = 0;

  const acts = (one: Asked, headers: IncomingMessage["headers"], body: Buffer): Said => {
    const { method, key, query } = one;
    const upload = uploads.get(query.get("uploadId") ?? "");
    if (query.has("uploadId") && upload?.key !== key) return wrong(404, "NoSuchUpload");
    switch (
      `${method} ${upload ? "upload" : query.has("uploads") ? "uploads" : key === "" ? "bucket" : "object"}`
    ) {
      case "PUT object":
        objects.set(key, body);
        return { status: 200, headers: { etag: etag(body) } };
      case "GET object":
        return got(objects.get(key), headers.range);
      case "DELETE object":
        objects.delete(key);
        return { status: 204 };
      case "POST uploads": {
        const id = `upload&${++begun}`;
        uploads.set(id, { key, parts: new Map() });
        return {
          status: 200,
          xml: `<InitiateMultipartUploadResult><UploadId>${escaped(id)}</UploadId></InitiateMultipartUploadResult>`,
        };
      }
      case "PUT upload":
        upload?.parts.set(Number(query.get("partNumber")), body);
        return { status: 200, headers: { etag: etag(body) } };
      case "POST upload":
        return completed(query.get("uploadId") ?? "", upload!, body.toString());
      case "DELETE upload":
        uploads.delete(query.get("uploadId") ?? "");
        return { status: 204 };
      case "GET uploads":
        return {
          status: 200,
          xml: `<ListMultipartUploadsResult>${[...uploads].map(([id, { key }]) => `<Upload><Key>${key}</Key><UploadId>${escaped(id)}</UploadId></Upload>`).join("")}</ListMultipartUploadsResult>`,
        };
      case "GET bucket": {
        const after = query.get("continuation-token") ?? "";
        const keys = [...objects.keys()]
          .filter((k) => k.startsWith(query.get("prefix") ?? "") && k > after)
          .sort();
        const page = keys.slice(0, PAGE);
        const more = keys.length > PAGE;
        return {
          status: 200,
          xml: `<ListBucketResult><IsTruncated>${more}</IsTruncated>${page.map((k) => `<Contents><Key>${k}</Key></Contents>`).join("")}${more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ""}</ListBucketResult>`,
        };
      }
      default:
        return wrong(501, "NotImplemented");
    }
  };

  const completed = (id: string, { key, parts }: Upload, xml: string): Said => {
    const named = [...xml.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]+)<\/ETag>/g)];
    const whole: Buffer[] = [];
    for (const [i, [, n, mark]] of named.entries()) {
      const part = parts.get(Number(n));
      if (part === undefined || etag(part) !== mark) return wrong(400, "InvalidPart");
      if (i < named.length - 1 && part.length < LEAST_PART) return wrong(400, "EntityTooSmall");
      whole.push(part);
    }
    objects.set(key, Buffer.concat(whole));
    uploads.delete(id);
    return {
      status: 200,
      xml: "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>",
    };
  };

  const server = createServer((request, response) => {
    void answer(request, response).catch(() => request.destroy());
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    const url = new URL(request.url ?? "", "http://store");
    const [, bucket = "", ...rest] = url.pathname.split("/");
    const key = decodeURIComponent(rest.join("/"));
    const one = { method: request.method ?? "", key, query: url.searchParams, octets: body.length };
    asked.push(one);
    const fate = await store.fate(one);
    if (fate === "lost before") return void request.socket.destroy();
    const bad = forged(request, url, body);
    const said =
      bad ??
      (bucket !== BUCKET
        ? wrong(404, "NoSuchBucket")
        : typeof fate === "object"
          ? wrong(fate.status, fate.code)
          : acts(one, request.headers, body));
    if (fate === "lost after") return void request.socket.destroy();
    const { status, xml, body: octets = Buffer.from(xml ?? ""), headers } = said;
    response.writeHead(status, { ...headers, ...(status !== 204 && { "content-length": octets.length }) });
    response.end(status === 204 ? undefined : octets);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store: ObjectStore = {
    ...{ endpoint, objects, uploads, asked, fate: () => "done" },
    place: { bucket: BUCKET, prefix: "", endpoint, region: REGION },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return store;
}

function got(object: Buffer | undefined, range = ""): Said {
  if (object === undefined) return wrong(404, "NoSuchKey");
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  if (from === undefined) return { status: 200, body: object };
  const body = object.subarray(Number(from), Number(to) + 1);
  const shown = `bytes ${from}-${Number(from) + body.length - 1}/${object.length}`;
  return { status: 206, body, headers: { "content-range": shown } };
}

const wrong = (status: number, code: string): Said => ({
  ...{
    status,
    xml: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>by order &amp; law</Message></Error>`,
  },
});

const etag = (body: Buffer): string => `"${createHash("md5").update(body).digest("hex")}"`;
const escaped = (text: string): string => text.replaceAll("&", "&amp;");
const sha = (text: string | Buffer): string => createHash("sha256").update(text).digest("hex");

/** What is wrong with a request's signature; undefined: nothing. */
function forged({ method, headers }: IncomingMessage, url: URL, body: Buffer): Said | undefined {
  const { authorization = "" } = headers;
  const [, id, day, region, names = "", signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? [];
  if (id !== KEYS.id) return wrong(403, "InvalidAccessKeyId");
  if (headers["x-amz-content-sha256"] !== sha(body)) return wrong(400, "XAmzContentSHA256Mismatch");
  const signed = names.split(";");
  if (!["host", "x-amz-content-sha256", "x-amz-date"].every((name) => signed.includes(name)))
    return wrong(403, "AccessDenied");
  const encode = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join("&");
  const path = url.pathname
    .split("/")
    .map((part) => encode(decodeURIComponent(part)))
    .join("/");
  const head = signed.map((name) => `${name}:${String(headers[name]).trim()}\n`).join("");
  const canonical = [method, path, query, head, names, sha(body)].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha(canonical)].join("\n");
  let key: Buffer = Buffer.from(`AWS4${KEYS.secret}`);
  for (const part of [...scope.split("/"), text]) key = createHmac("sha256", key).update(part).digest();
  return key.toString("hex") === signature && region === REGION
    ? undefined
    : wrong(403, "SignatureDoesNotMatch");
}
