/** What `odmr init` asks in a terminal: the few things that nobody but its user knows. */
import { hostname as systemHostname } from "node:os";
import { parsePlace } from "../src/config/endpoint.ts";
import { isHostname } from "../src/config/names.ts";
import { isDomain, lowerAscii } from "../src/wire/domain.ts";
import type { HomeAnswers, RelayAnswers } from "./answered.ts";
import { answerTo, asking, askTarget } from "./asking.ts";
import { ourName } from "./joined.ts";

export function askRelay(): Promise<RelayAnswers> {
  return interview(async (question) => {
    const own = lowerAscii(systemHostname());
    return {
      hostname: await answerTo(question, "This host's name, as the world knows it", {
        read: hostnameIn,
        ...(isHostname(own) && own.includes(".") && { proposed: own }),
      }),
      domains: await answerTo(question, "Domains of the first customer (none: it comes by odmr invite)", {
        read: (said) => (said === "" ? [] : domainsIn(said)),
      }),
    };
  });
}

export function askHome(): Promise<HomeAnswers> {
  return interview(async (question) => {
    const provider = await answerTo(question, "The relay, host or host:port", { read: providerIn });
    const domains = await answerTo(question, "The domains whose mail it has for us", { read: domainsIn });
    const user = await answerTo(question, "Who we are there", { read: userIn, proposed: "home" });
    const target = await askTarget(question);
    return { hostname: ourName(domains[0]!), provider, domains, user, target };
  });
}

async function interview<T>(ask: (question: (text: string) => Promise<string>) => Promise<T>): Promise<T> {
  const { question, close } = asking();
  try {
    return await ask(question!);
  } finally {
    close();
  }
}

function hostnameIn(said: string): string {
  if (isHostname(said) && said.includes(".")) return lowerAscii(said);
  throw new Error(`"${said}" is no host name; write one such as relay.example.net`);
}

function providerIn(said: string): string {
  if (parsePlace(said, 366) !== undefined) return said;
  throw new Error(`"${said}" is no relay; write one such as relay.example.net`);
}

function domainsIn(said: string): readonly string[] {
  const domains = lowerAscii(said)
    .split(/[\s,]+/)
    .filter((each) => each !== "");
  const wrong = domains.find((each) => !isDomain(each));
  if (wrong === undefined && domains.length > 0) return domains;
  throw new Error(`"${wrong ?? ""}" is no domain; write one such as example.org, or several with commas`);
}

function userIn(said: string): string {
  if (said !== "") return said;
  throw new Error("it is empty; write the user");
}
