/** Who is invited: somebody new, or a customer who comes with a new key. */
// Whoever sits at a terminal is asked for what the command line does not say; a script is told.
import type { Config } from "../src/config/config.ts";
import { isDomain, lowerAscii } from "../src/wire/domain.ts";
import { type Asking, answerTo, asking } from "./asking.ts";
import { Exit, status, UsageError } from "./exit.ts";
import { certificateIn, customerFile, rivalOf } from "./pairing.ts";

export interface Guest {
  readonly name: string;
  readonly domains: readonly string[];
  /** The certificate that will count no more. */
  readonly replaces: string | undefined;
}

interface Asked {
  readonly name?: string | undefined;
  readonly domain?: readonly string[] | undefined;
  readonly again: boolean;
}

/** @throws UsageError, Exit for a name or domain that is another's */
export async function guestOf(config: Config, asked: Asked): Promise<Guest> {
  const desk = asking();
  try {
    const name = asked.name ?? (await nameBy(desk, config));
    const known = config.serve?.customers.some((each) => each.name === name);
    const again = asked.again || (known && (await isMeant(desk, name)));
    if (again) return await oldGuest(config, name, asked.domain);
    const domains = asked.domain ?? (known ? [] : await domainsBy(desk));
    refuseRivals(config, { name, domains });
    return { name, domains, replaces: undefined };
  } finally {
    desk.close();
  }
}

export function nameOf(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(text)) return text;
  throw new Error(`"${text}" is no name; write letters, digits, . _ @ and -, such as home`);
}

export function domainOf(text: string): string {
  const domain = lowerAscii(text);
  if (isDomain(domain)) return domain;
  throw new Error(`"${text}" is no domain; write example.org (xn--… for other scripts)`);
}

async function nameBy({ question }: Asking, { serve }: Config): Promise<string> {
  if (question === undefined) throw new UsageError("who is invited? write odmr invite home");
  const first = serve?.customers.length === 0 ? { proposed: "home" } : {};
  return await answerTo(question, "What the house is to be called here", { read: nameOf, ...first });
}

async function domainsBy({ question }: Asking): Promise<readonly string[]> {
  if (question === undefined) throw new UsageError("whose mail is it to get? write --domain example.org");
  return await answerTo(question, "The domains whose mail it is to get", {
    read: (said) => {
      const words = said.split(/[\s,]+/).filter((word) => word !== "");
      if (words.length === 0) throw new Error("it is empty; write one such as example.org");
      return words.map(domainOf);
    },
  });
}

async function isMeant({ question }: Asking, name: string): Promise<boolean> {
  if (question === undefined) return false;
  const text = `${name} is a customer already. Is it to come with a new key, and its old one to count no more? (yes or no)`;
  return await answerTo(question, text, {
    proposed: "no",
    read: (said) => {
      if (/^y(es)?$/i.test(said)) return true;
      if (/^no?$/i.test(said)) return false;
      throw new Error("yes, or no");
    },
  });
}

async function oldGuest(
  { serve, file }: Config,
  name: string,
  domain: readonly string[] | undefined,
): Promise<Guest> {
  const customer = serve?.customers.find((each) => each.name === name);
  if (customer === undefined)
    throw new Exit(
      status.dataError,
      `${name} is no customer yet; write odmr invite ${name} --domain example.org`,
    );
  const its = customerFile(serve?.customersFolder ?? "", name);
  if (domain !== undefined)
    throw new UsageError(
      `--again leaves ${name} its domains, ${customer.domains.join(", ")}; others are written into ${its}`,
    );
  const replaces = await certificateIn(its);
  if (replaces === undefined || replaces === "another")
    throw new Exit(
      status.dataError,
      `${name} did not come by an invitation: what it logs in with stands in ${replaces === undefined ? file : its}, and is changed there`,
    );
  return { name, domains: customer.domains, replaces };
}

function refuseRivals(
  { serve, file }: Config,
  wanted: { readonly name: string; readonly domains: readonly string[] },
): void {
  const { customers = [], customersFolder = "" } = serve ?? {};
  const rival = rivalOf(wanted, customers);
  if (rival === undefined) return;
  const { name } = customers.find((each) => each.name === rival || each.domains.includes(rival))!;
  throw new Exit(
    status.dataError,
    rival === wanted.name
      ? `${name} is a customer already; say --again to give it a new key, or choose another name (it stands in ${file} or ${customerFile(customersFolder, name)})`
      : `${rival} is the customer ${name}'s already`,
  );
}
