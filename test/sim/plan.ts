/** From a seed to a plan: who there is, how much mail, how bad the lines, disks and operators are. */
// Each trouble is absent from many runs, so that what one of them does is not hidden behind another.
import type { Customer } from "../../src/relay/customers.ts";
import { DAY } from "./office.ts";
import type { LineFacts } from "./wire.ts";
import type { Chance } from "./world.ts";

export interface HousePlan {
  readonly customer: Customer;
  readonly every: number | "follow";
  readonly messageSize: number;
}

export interface Plan {
  /** Nothing breaks: no cut, no crash, no illness. */
  readonly calm: boolean;
  /** Milliseconds in which letters come and trouble happens. */
  readonly storm: number;
  readonly letters: number;
  /** Shares of letters. */
  readonly large: number;
  readonly fromHome: number;
  readonly houses: readonly HousePlan[];
  /** A customer whose program forgets. */
  readonly stranger: Customer | undefined;
  /** How it asks for its mail, and whether its server is of the old kind: DATA, a command at a time. */
  readonly strangerBy: "ATRN" | "ETRN";
  readonly strangerIsPlain: boolean;
  /** There is a second relay (MX 20), and of letters, so many come by both. */
  readonly backup: number;
  /** Milliseconds of the night before peace: leases end, and files that nobody names are a day old, some nights. */
  readonly night: number;
  readonly calls: { readonly byStranger: number; readonly byHand: number };
  readonly crashes: { readonly relay: number; readonly house: number };
  readonly restarts: number;
  readonly illnesses: number;
  readonly operators: number;
  /** How often targets and foreign hosts say 4xx. */
  readonly moody: number;
  /** Milliseconds that outgoing mail is kept. */
  readonly expire: number;
  /** Usual milliseconds on a line, and how often one of its two ways is cut. */
  readonly delay: number;
  readonly cuts: number;
  /** Behind so many octets, as powers of ten: each size is as likely, from the first octet to behind the largest message. */
  readonly cutBehind: readonly [least: number, most: number];
}

const NIGHT = 150_000;

const DOMAINS: Readonly<Record<string, readonly string[]>> = {
  home: ["example.org", "example.com"],
  office: ["office.example"],
  shed: ["shed.example"],
};

export function planFor(chance: Chance): Plan {
  const calm = chance.happens(0.2);
  const often = (most: number): number => (calm || chance.happens(0.4) ? 0 : chance.between(1, most));
  const storm = chance.between(15_000, 45_000);
  const hold = chance.happens(0.15) ? chance.between(10_000, 40_000) : 30 * DAY;
  const customer = (name: string): Customer => ({
    ...{ name, domains: DOMAINS[name]!, recipients: undefined, hold, quota: undefined },
    compatibility: chance.one(["auto", "auto", "bdat", "plain"] as const),
    order: chance.one(["oldest", "small"] as const),
  });
  const house = (name: string): HousePlan => ({
    customer: customer(name),
    every: chance.happens(0.3) ? "follow" : chance.between(4_000, 15_000),
    messageSize: chance.happens(0.15) ? 150_000 : 10_000_000,
  });
  const backup = chance.happens(0.2) ? 0.5 : 0;
  const etrn = { host: "mail.shed.test", port: 25, tls: "none" } as const;
  return {
    ...{ calm, storm, backup },
    // Doubles are known for a day.
    night: backup > 0 ? NIGHT : chance.one([NIGHT, NIGHT, 1.1 * DAY]),
    letters: chance.between(4, 24),
    large: chance.one([0, 0.2, 0.5]),
    fromHome: chance.one([0, 0.3, 0.6]),
    houses: ["home", ...(chance.happens(0.3) ? ["office"] : [])].map(house),
    stranger: chance.happens(0.5) ? { ...customer("shed"), etrn } : undefined,
    strangerBy: chance.happens(0.3) ? "ETRN" : "ATRN",
    strangerIsPlain: chance.happens(0.3),
    calls: { byStranger: chance.between(1, 6), byHand: chance.happens(0.5) ? chance.between(1, 3) : 0 },
    crashes: { relay: often(3), house: often(3) },
    restarts: chance.happens(0.3) ? 1 : 0,
    illnesses: often(2),
    operators: chance.happens(0.5) ? chance.between(1, 6) : 0,
    moody: chance.one([0, 0, 0.2]),
    expire: chance.happens(0.15) ? chance.between(10_000, 40_000) : 5 * DAY,
    delay: chance.one([0.3, 5, 40]),
    cuts: calm ? 0 : chance.one([0, 0, 0.1, 0.4]),
    cutBehind: [0, 5.7],
  };
}

/** A line of this plan, as chance will have it. */
export function lineOf({ delay, cuts, cutBehind: [least, most] }: Plan, chance: Chance): LineFacts {
  const end = (): number | undefined =>
    chance.happens(cuts) ? Math.floor(10 ** (least + chance.fraction() * (most - least))) : undefined;
  return { delay, cut: [end(), end()] };
}
