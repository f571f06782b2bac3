/** Starter configurations in which nothing is left to be changed, but for what a person likes otherwise. */
// They are the starters of cmd/starter.ts, with values in the places that these mark: the comments are the same.
import { describedAt } from "../src/config/describe.ts";
import { formatTarget, type Target } from "../src/config/target.ts";
import { starter } from "./starter.ts";

export interface RelayAnswers {
  readonly hostname: string;
  /** Of its first customer; empty: customers come by odmr invite. */
  readonly domains: readonly string[];
}

export interface HomeAnswers {
  readonly hostname: string;
  readonly provider: string;
  readonly user: string;
  readonly domains: readonly string[];
  readonly target: Target;
}

/** A relay with a certificate of its own. */
export function answeredRelay({ hostname, domains }: RelayAnswers): string {
  const text = withOwnCertificate(starter("relay"));
  const known = domains.length === 0 ? withoutCustomers(text) : text;
  return filled(known, { hostname: quoted(hostname), domains: `[${domains.join(", ")}]` });
}

export function answeredHome({ hostname, provider, user, domains, target }: HomeAnswers): string {
  const text = starter("home").replace(
    /(?<=\{ match: "\*", to: )".*" \} *# <--$/m,
    () => `${quoted(formatTarget(target))} }`,
  );
  return filled(text, {
    hostname: quoted(hostname),
    provider: quoted(provider),
    user: quoted(user),
    domains: `[${domains.join(", ")}]`,
  });
}

/** Puts values where the starter marks their keys; the other marks go, too. */
const filled = (text: string, values: Readonly<Record<string, string>>): string =>
  text
    .replaceAll(
      /^( *(?:- )?(\w+): )(.*?) *# <--$/gm,
      (_, before, key, was) => `${before}${values[key] ?? was}`,
    )
    .replace(
      "# What must be yours is marked with <--; check the file with: odmr check",
      "# Check it with: odmr check",
    );

const withOwnCertificate = (text: string): string =>
  text.replace(
    /^ {2}certificate: .*\n {2}key: .*\n.*\n/m,
    `  # ${describedAt(["tls", "self"])?.description}\n  self: true\n  # certificate: relay.crt\n  # key: relay.key\n`,
  );

const withoutCustomers = (text: string): string =>
  text.replace(/^ {2}customers:\n[\s\S]*?\n(?=\n {2}#)/m, (customers) => {
    const example = customers
      .trimEnd()
      .replaceAll(/ *# <--$/gm, "")
      .replace(/^ {2}(?!$)/gm, "  # ");
    return `  # Whoever comes by: odmr invite home --domain example.org\n  # Or written here:\n${example}\n`;
  });

/** YAML reads a JSON string as the same text, whatever it is. */
const quoted = (text: string): string => JSON.stringify(text);
