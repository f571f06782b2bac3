/** What the fuzzed server thinks of senders, recipients and passwords: the same for the session and for the second reading. */
// A pure function of what was said, so that two readings of the same octets must come to the same messages.
import type { ServerSettings, Service } from "../../src/smtp/session.ts";
import { domainOf } from "../../src/wire/address.ts";

export interface Message {
  readonly from: string;
  readonly to: readonly string[];
  /** The canonical body, an octet a character. */
  readonly body: string;
}

export const policy = {
  sends: (from: string): boolean => !from.startsWith("refused@"),
  takes: (to: string): boolean => domainOf(to) === "example.org" && !to.startsWith("later@"),
  hasRoomFor: (from: string): boolean => !from.startsWith("nodisk@"),
  knows: (response: Uint8Array): boolean => new TextDecoder().decode(response) === "\0home\0secret",
  turnsFor: (domains: readonly string[]): boolean => !domains.includes("other.example"),
};

export const settingsOf = (service: Service, bareLineEnds: "refuse" | "normalise"): ServerSettings => ({
  service,
  hostname: "relay.example.net",
  secure: service === "odmr" || service === "submission",
  startTls: false,
  requireTls: false,
  mechanisms: service === "odmr" || service === "submission" ? ["PLAIN"] : [],
  sizeLimit: 1_000,
  recipientLimit: 5,
  bareLineEnds,
  owedLimit: 4,
  ledger: service === "reversed" || service === "odmr",
});
