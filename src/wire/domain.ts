/** Domain names as ATRN has them (RFC 2645 §5.2.1): two labels or more, ASCII, IDNs as A-labels. */
// A domain goes in lower case from here on, so that domains are compared as strings.

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
const LONGEST = 255;

/** Whether this is a domain: no trailing dot, no address literal, no wildcard. */
export function isDomain(text: string): boolean {
  if (text.length > LONGEST) return false;
  const labels = text.split(".");
  return labels.length > 1 && labels.every((label) => LABEL.test(label));
}

/** ATRN's argument: domains with commas between; blanks behind a comma are forgiven. Each one once, in lower case. */
export function parseDomainList(text: string): readonly string[] | undefined {
  const domains = text.split(",").map((domain, i) => (i === 0 ? domain : domain.trimStart()));
  return domains.every(isDomain) ? [...new Set(domains.map(lowerAscii))] : undefined;
}

/** Lower case for A to Z alone: of what is not ASCII, some has an ASCII lower case, and would become another name. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Domains in lists that each are so many octets long at most with their commas; one empty list for none. */
export function domainLists(domains: readonly string[], atMost: number): readonly (readonly string[])[] {
  const all: string[][] = [[]];
  let length = 0;
  for (const domain of domains) {
    if (length > 0 && length + 1 + domain.length > atMost) {
      all.push([]);
      length = 0;
    }
    all.at(-1)!.push(domain);
    length += domain.length + 1;
  }
  return all;
}
