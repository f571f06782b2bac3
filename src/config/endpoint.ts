/** Places on the network or on this host: `host:port`, `[v6]:port`, `unix:/path`. */
// What cannot be read is undefined here; the caller knows where it stood and says so.

/** A host and a port. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** What can be listened on. */
export type Endpoint = Place | { readonly path: string };

const PLACE = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]/@]+))(?::(\d{1,5}))?$/;

/** `host:port` or `[v6]:port`; without a port the given one, if there is one. */
export function parsePlace(text: string, defaultPort?: number): Place | undefined {
  const [, v6, name, digits] = PLACE.exec(text) ?? [];
  const host = v6 ?? name;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (host === undefined || port === undefined || port > 65_535) return undefined;
  return { host, port };
}

/** A place, or `unix:/path`. */
export function parseEndpoint(text: string): Endpoint | undefined {
  if (!text.startsWith("unix:")) return parsePlace(text);
  const path = text.slice("unix:".length);
  return path === "" ? undefined : { path };
}

export function formatEndpoint(endpoint: Endpoint): string {
  if ("path" in endpoint) return `unix:${endpoint.path}`;
  return endpoint.host.includes(":")
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}
