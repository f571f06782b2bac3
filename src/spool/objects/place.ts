/** Where a shared spool's large bodies lie in object storage: a bucket, a prefix in it, and the server that has it. */
// No key in it: it is kept in the spool, so that all of its nodes mean the same place. Keys are each node's own.

export interface ObjectPlace {
  readonly bucket: string;
  /** What our names begin with: empty, or with a "/" at its end. */
  readonly prefix: string;
  /** The server, without a "/" at its end. */
  readonly endpoint: string;
  readonly region: string;
}

/** Servers other than Amazon's take any, and most have this one. */
const REGION = "us-east-1";

/** What is wrong with a place, and what to write. */
export class PlaceError extends Error {
  override readonly name = "PlaceError";
}

/** @throws PlaceError */
export function parsePlace(
  text: string,
  { endpoint, region }: { readonly endpoint: string | undefined; readonly region: string | undefined },
): ObjectPlace {
  const [, bucket, prefix = ""] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9._/-]*))?$/.exec(text) ??
    fail(`"${text}" is no place for bodies`, "write bodies=s3://bucket/prefix");
  if (endpoint === undefined && region === undefined)
    fail("whose bucket it is, is not said", "write endpoint=https://s3.example.net, or region=eu-central-1");
  if (region !== undefined && !/^[a-z0-9-]+$/i.test(region))
    fail(`"${region}" is no region`, "write region=eu-central-1");
  const trimmed = prefix.replace(/\/+$/, "");
  return {
    bucket: bucket ?? "",
    prefix: trimmed === "" ? "" : `${trimmed}/`,
    endpoint: endpointOf(endpoint ?? `https://s3.${region}.amazonaws.com`),
    region: region ?? REGION,
  };
}

/** As it is kept, and shown. */
export function shownPlace({ bucket, prefix, endpoint, region }: ObjectPlace): string {
  return `s3://${bucket}/${prefix}?endpoint=${endpoint}&region=${region}`;
}

/** What shownPlace() said. @throws PlaceError */
export function keptPlace(shown: string): ObjectPlace {
  const [text = "", query] = shown.split("?");
  const asked = new URLSearchParams(query);
  return parsePlace(text, {
    endpoint: asked.get("endpoint") ?? undefined,
    region: asked.get("region") ?? undefined,
  });
}

/** Whether objects of the one are objects of the other. */
export function samePlace(a: ObjectPlace, b: ObjectPlace): boolean {
  return a.bucket === b.bucket && a.prefix === b.prefix && a.endpoint === b.endpoint;
}

function endpointOf(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "")
    return fail(`"${text.replace(/\/\/.*@/, "//")}" is no server`, "write endpoint=https://s3.example.net");
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

function fail(what: string, how: string): never {
  throw new PlaceError(`${what}; ${how}`);
}
