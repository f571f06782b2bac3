/** Who there is in a life: relays, houses, a stranger and the world, the disks below them and the lines between. */
import { join } from "node:path";
import type { Connection } from "../../src/net/connection.ts";
import type { Customer } from "../../src/relay/customers.ts";
import { Disk } from "./disk.ts";
import { startHome } from "./home.ts";
import { type Kept, keepAll, strangersCall } from "./keeper.ts";
import { Machine, type Program } from "./machine.ts";
import type { Mutant } from "./mutants.ts";
import { type DOORS, startOffice } from "./office.ts";
import { lineOf, type Plan, planFor } from "./plan.ts";
import { Register } from "./register.ts";
import { Line } from "./wire.ts";
import type { Life, World } from "./world.ts";

export type Office = Awaited<ReturnType<typeof startOffice>>;
export type House = Awaited<ReturnType<typeof startHome>>;

/** Who calls which relay; from a machine, whose death breaks the line too. */
interface Dialling {
  readonly from: Life;
  readonly relay: Machine<Office>;
  readonly machine?: Machine<Program> | undefined;
}

const STRANGER = "shed";

export class Town {
  readonly world: World;
  readonly plan: Plan;
  readonly register: Register;
  /** The first is where all goes that leaves a house; there may be a second, for mail that comes in (MX 20). */
  readonly relays: readonly Machine<Office>[];
  readonly houses: ReadonlyMap<string, Machine<House>>;
  /** Nothing breaks any more. */
  peace = false;
  /** To the relays' ODMR doors, by customer. */
  readonly #calls = new Map<string, Line[]>();

  constructor(world: World, folder: string, mutant: Mutant | undefined) {
    this.world = world;
    const { chance } = world;
    const plan = { ...planFor(chance), ...mutant?.stress };
    this.plan = plan;
    this.register = new Register(chance.fork(), plan.large);
    const disk = (name: string) => new Disk(join(folder, name), chance.fork(), mutant?.disk);
    const { customers } = this;
    const { expire } = plan;
    const office = (name: string) => {
      const own = disk(name);
      const start = (life: Life): Promise<Office> =>
        startOffice({
          ...{ life, disk: own, hostname: `${name}.test`, customers, expire, alter: mutant?.relay },
          smarthost: async (from) => this.#toKeeper("world", from, machine),
          reach: async (from) => this.#toStranger(from, machine),
        });
      const machine: Machine<Office> = new Machine(world, name, own, start);
      return machine;
    };
    this.relays = ["relay", ...(plan.backup > 0 ? ["backup"] : [])].map(office);
    const moody = () => this.#isMoody();
    this.houses = new Map(
      plan.houses.map(({ customer, every, messageSize }) => {
        const { name } = customer;
        const own = disk(name);
        const dialling = (relay: Machine<Office>) => async (from: Life) =>
          this.#call(name, { from, relay, machine: this.houses.get(name) }).caller;
        const providers = this.relays.map((relay, i) =>
          i === 0
            ? { account: name, every, dial: dialling(relay) }
            : { account: `${name} by ${relay.name}`, every: 7_000, dial: dialling(relay) },
        );
        const start = (life: Life) =>
          startHome({
            ...{ life, disk: own, customer, providers, messageSize, moody, alter: mutant?.house },
            mailbox: (message) =>
              this.register.arrivals.push({ box: `mailbox of ${name}`, by: name, ...message, sender: life }),
          });
        return [name, new Machine<House>(world, name, own, start)] as const;
      }),
    );
  }

  get machines(): readonly Machine<Program>[] {
    return [...this.relays, ...this.houses.values()];
  }

  remove(): void {
    for (const { disk } of this.machines) disk.remove();
  }

  makePeace(): void {
    this.world.note("peace");
    this.peace = true;
    for (const machine of this.machines) machine.getWell();
  }

  /** Foreign hosts and targets have moods until peace is made. */
  #isMoody(): boolean {
    const moody = !this.peace && this.world.chance.happens(this.plan.moody);
    if (moody) this.world.strike("later");
    return moody;
  }

  /** Somebody dials a door of a relay. @throws ConnectionError if nobody answers there */
  toRelay(door: keyof typeof DOORS, { relay, from, machine }: Dialling): Line {
    const line = relay.line(this.#facts(), from, machine);
    relay.program?.enter(door, line.called);
    return line;
  }

  /** A customer calls, be it on the line already or not. */
  #call(customer: string, dialling: Dialling): Line {
    const line = this.toRelay("odmr", dialling);
    const open = (this.#calls.get(customer) ?? []).filter((each) => each.open);
    if (open.length > 0) this.world.strike("turns");
    this.#calls.set(customer, [...open, line]);
    return line;
  }

  /** A relay delivers to a host of the customer's after ETRN. */
  #toStranger(from: Life, relay: Machine<Office>): Connection {
    this.world.strike("etrn");
    return this.#toKeeper(STRANGER, from, relay);
  }

  #toKeeper(box: string, from: Life, relay: Machine<Office>): Connection {
    const { outside } = this.world;
    const line = new Line(this.world, this.#facts(), from, outside);
    relay.holds(line);
    const keeper = {
      ...({ service: "intake", life: outside, moody: () => this.#isMoody() } as const),
      plain: box === STRANGER && this.plan.strangerIsPlain,
      keep: (message: Kept) =>
        void this.register.arrivals.push({ box, by: relay.name, ...message, line, sender: from }),
    };
    keepAll(keeper, line.called).catch((fault) => this.lost(fault));
    return line.caller;
  }

  #facts() {
    return this.peace
      ? { delay: 1, cut: [undefined, undefined] as const }
      : lineOf(this.plan, this.world.chance);
  }

  /** The stranger fetches its mail, at some relay; in peace at each. */
  async strangerCalls(): Promise<void> {
    const { outside } = this.world;
    const name = STRANGER;
    if (this.plan.stranger === undefined) return;
    const login = {
      ...({ host: "relay.test", port: 366, tls: "none", hostname: "shed.house.test" } as const),
      ...{ user: name, password: `${name} secret` },
    };
    for (const relay of this.peace ? this.relays : [this.world.chance.one(this.relays)]) {
      const line = this.#call(name, { from: outside, relay });
      const sender = relay.life;
      const keep = (message: Kept) =>
        void this.register.arrivals.push({ box: name, by: relay.name, ...message, line, sender });
      const { strangerBy: by, strangerIsPlain: plain } = this.plan;
      await strangersCall(login, async () => line.caller, {
        ...{ life: outside, keep, by, plain, moody: () => this.#isMoody() },
      });
    }
  }

  get customers(): readonly Customer[] {
    const { houses, stranger } = this.plan;
    return [...houses.map(({ customer }) => customer), ...(stranger ? [stranger] : [])];
  }

  /** The customer of a domain. */
  ownerOf(domain: string): string | undefined {
    return this.customers.find(({ domains }) => domains.includes(domain))?.name;
  }

  /** What a line, a crash or a disk does to the errands of the outside is what it is there for. */
  lost(fault: unknown): void {
    this.world.note(`lost: ${fault}`);
  }
}
