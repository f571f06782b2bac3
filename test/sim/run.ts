/** One run: a seed's plan is lived through, then peace is made, everything is stopped, and the books are checked. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lineDelivery } from "../../src/delivery/line.ts";
import type { Connection } from "../../src/net/connection.ts";
import { Talk } from "../../src/net/talk.ts";
import { systemFiles } from "../../src/platform/files.ts";
import { silent } from "../../src/platform/log.ts";
import { openSpool } from "../../src/spool/open.ts";
import { type Findings, findingsOf, type Station } from "./check.ts";
import { Disk } from "./disk.ts";
import { startHome } from "./home.ts";
import { keepAll, strangersCall } from "./keeper.ts";
import { Machine, type Program } from "./machine.ts";
import type { Mutant } from "./mutants.ts";
import { DAY, type DOORS, spoolOf, spoolPath, startOffice } from "./office.ts";
import { lineOf, type Plan, planFor } from "./plan.ts";
import { type Letter, Register } from "./register.ts";
import { Line } from "./wire.ts";
import { type Life, ownEventLoop, World } from "./world.ts";

export interface RunOptions {
  readonly seed: number;
  /** A folder for its disks; memory is quickest. */
  readonly folder: string;
  readonly mutant?: Mutant | undefined;
  /** Keep what happened, line by line. */
  readonly trace?: boolean;
}

export interface Outcome extends Findings {
  readonly seed: number;
  /** The same seed, the same word. */
  readonly hash: string;
  readonly happenings: number;
  readonly crashes: number;
  readonly trace: readonly string[];
}

export async function run(options: RunOptions): Promise<Outcome> {
  // What is loaded at its first use would be waited for by the first run alone.
  await import("nodemailer/lib/mime-node");
  const world = new World(options.seed, options.trace);
  const restore = ownEventLoop(world);
  const folder = join(options.folder, `sim-${options.seed}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const town = new Town(world, folder, options.mutant);
  try {
    const findings = await town.live();
    const { trace, count: happenings } = world;
    return {
      seed: options.seed,
      hash: world.digest(),
      happenings,
      crashes: town.crashes,
      trace,
      ...findings,
    };
  } finally {
    restore();
    town.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

type Office = Awaited<ReturnType<typeof startOffice>>;
type House = Awaited<ReturnType<typeof startHome>>;

/** Peace lasts so long: everything that can go home does. */
const PEACE = 45_000;
/** The night before it, with all machines off: leases end, and files that nobody names are a day old, some nights. */
const NIGHTS = [150_000, 150_000, 1.1 * DAY];

class Town {
  readonly #world: World;
  readonly #plan: Plan;
  readonly #register: Register;
  readonly #relay: Machine<Office>;
  readonly #houses: ReadonlyMap<string, Machine<House>>;
  #peace = false;
  #ill = false;

  constructor(world: World, folder: string, mutant: Mutant | undefined) {
    this.#world = world;
    const { chance } = world;
    const plan = { ...planFor(chance), ...mutant?.stress };
    this.#plan = plan;
    this.#register = new Register(chance.fork(), plan.large);
    const disk = (name: string) => new Disk(join(folder, name), chance.fork(), mutant?.disk);
    const customers = [
      ...plan.houses.map(({ customer }) => customer),
      ...(plan.stranger ? [plan.stranger] : []),
    ];
    const { expire, moody } = plan;
    const relayDisk = disk("relay");
    this.#relay = new Machine(world, "relay", relayDisk, (life) =>
      startOffice({
        ...{ life, disk: relayDisk, customers, expire, alter: mutant?.relay },
        smarthost: async (from) => this.#toWorld(from),
      }),
    );
    this.#houses = new Map(
      plan.houses.map(({ customer, every, messageSize }) => {
        const { name } = customer;
        const own = disk(name);
        const start = (life: Life) =>
          startHome({
            ...{ life, disk: own, customer, every, messageSize, moody, alter: mutant?.house },
            dial: async (from) => this.#toRelay("odmr", from, this.#houses.get(name)).caller,
            mailbox: (message) =>
              this.#register.arrivals.push({ box: `mailbox of ${name}`, ...message, sender: life }),
          });
        return [name, new Machine<House>(world, name, own, start)] as const;
      }),
    );
  }

  get crashes(): number {
    return this.#machines.reduce((sum, { crashes }) => sum + crashes, 0);
  }

  get #machines(): readonly Machine<Program>[] {
    return [this.#relay, ...this.#houses.values()];
  }

  async live(): Promise<Findings> {
    for (const machine of this.#machines) machine.boot();
    await this.#world.run(2_000);
    this.#world.note(`plan ${JSON.stringify(this.#plan)}`);
    this.#letTroubleCome();
    await this.#world.run(this.#plan.storm);
    this.#makePeace();
    await this.#world.run(10_000);
    await this.#stopAll();
    await this.#world.run(this.#world.chance.one(NIGHTS));
    for (const machine of this.#machines) machine.boot();
    await this.#world.run(2_000);
    await this.#world.until(this.#retryAll(), 60_000);
    for (const { program } of this.#houses.values()) program?.ring();
    // What the houses send to the stranger comes in between.
    for (const part of [0.2, 0.5, 0.3]) {
      await this.#world.run(PEACE * part);
      await this.#world.until(this.#strangerFetches(), 60_000);
    }
    const stuck = await this.#world.until(this.#stuck(), 60_000);
    await this.#stopAll();
    const { problems, ends } = await this.#check();
    return { problems: [...problems, ...stuck], ends };
  }

  remove(): void {
    for (const { disk } of this.#machines) disk.remove();
  }

  // What happens in the storm.

  #letTroubleCome(): void {
    const { chance } = this.#world;
    const { storm, letters, calls, crashes, restarts, illnesses, operators, stranger } = this.#plan;
    const now = (times: number, act: () => void): void => {
      for (let i = 0; i < times; i++) this.#world.after(chance.fraction() * storm, act);
    };
    const house = () => chance.one([...this.#houses.values()]);
    now(
      Math.ceil(letters / 2),
      () => void this.#send(chance.between(1, 3)).catch((fault) => this.#lost(fault)),
    );
    if (stranger !== undefined)
      now(calls.byStranger, () => {
        for (let i = chance.between(1, 2); i > 0; i--)
          void this.#strangerCalls().catch((fault) => this.#lost(fault));
      });
    now(
      calls.byHand,
      () =>
        void house()
          .program?.pull()
          .catch((fault) => this.#lost(fault)),
    );
    now(crashes.relay, () => this.#crash(this.#relay));
    now(crashes.house, () => this.#crash(house()));
    now(restarts, () => void this.#restart(chance.happens(0.5) ? this.#relay : house()));
    now(illnesses, () => this.#sicken(chance.happens(0.5) ? this.#relay : house()));
    now(operators, () => void this.#operate().catch((fault) => this.#lost(fault)));
  }

  #crash(machine: Machine<Program>): void {
    const { chance } = this.#world;
    const down = chance.between(200, 8_000);
    if (chance.happens(0.4)) machine.crash(down);
    else
      machine.crashInCommit(chance.between(1, 12), chance.one(["before", "within", "after"] as const), down);
  }

  async #restart(machine: Machine<Program>): Promise<void> {
    await machine.stop();
    if (!this.#peace) machine.boot();
  }

  #sicken({ disk, name }: Machine<Program>): void {
    const { chance } = this.#world;
    this.#ill = true;
    disk.illness = { fault: chance.one(["full", "io"] as const), chance: chance.one([0.1, 0.5, 1]) };
    this.#world.note(`the disk of ${name} is ill: ${disk.illness.fault}`);
    this.#world.after(chance.between(500, 8_000), () => {
      disk.illness = undefined;
      // Whoever finds the disk dead starts the machine anew.
      if (disk.gone) for (const machine of this.#machines) if (machine.disk === disk) machine.crash(500);
    });
  }

  /** An operator acts on a spool, by the program or beside it. */
  async #operate(): Promise<void> {
    const { chance } = this.#world;
    const machine: Machine<House | Office> = chance.happens(0.7)
      ? this.#relay
      : chance.one([...this.#houses.values()]);
    const { life, program, disk, name } = machine;
    if (life === undefined || program === undefined) return;
    const beside = chance.happens(0.5) ? await spoolOf(disk, life, "operator", true) : undefined;
    const spool = beside ?? program.spool;
    const type = chance.one(["hold", "release", "retry", "remove", "bounce"] as const);
    const filter = chance.happens(0.5)
      ? { limit: chance.between(1, 3) }
      : { sender: `n${chance.between(1, 9)}@*` };
    this.#world.note(`operator ${type} at ${name} ${JSON.stringify(filter)}`);
    const all = type === "remove" ? { ...filter, limit: 2 } : filter;
    const wish: string[] = [];
    // What a crash keeps us from hearing may have been done: the intention counts.
    for await (const { id, sender } of spool.list(all)) if (sender !== "") wish.push(id);
    if (type === "remove") for (const id of wish) this.#register.removed.add(`${name} ${id}`);
    const ids = { ids: wish };
    if (wish.length > 0)
      for await (const id of spool.act({ type }, ids, { name: "operator", reason: "by hand" }))
        this.#world.note(`operator ${type} ${id}`);
    await beside?.close();
  }

  // Lines.

  #toRelay(door: keyof typeof DOORS, from: Life, machine?: Machine<Program>): Line {
    const line = this.#relay.line(this.#facts(), from, machine);
    this.#relay.program?.enter(door, line.called);
    return line;
  }

  #toWorld(from: Life): Connection {
    const line = new Line(this.#world, this.#facts(), from, this.#world.outside);
    this.#relay.holds(line);
    const keeper = {
      ...({
        service: "intake",
        life: this.#world.outside,
        moody: this.#peace ? 0 : this.#plan.moody,
      } as const),
      keep: (message: { from: string; to: readonly string[]; content: Uint8Array }) =>
        void this.#register.arrivals.push({ box: "world", ...message, line, sender: from }),
    };
    keepAll(keeper, line.called).catch((fault) => this.#lost(fault));
    return line.caller;
  }

  #facts() {
    return this.#peace
      ? { delay: 1, cut: [undefined, undefined] as const }
      : lineOf(this.#plan, this.#world.chance);
  }

  async #strangerCalls(): Promise<void> {
    const { outside } = this.#world;
    const name = "shed";
    const login = {
      ...({ host: "relay.test", port: 366, tls: "none", hostname: "shed.house.test" } as const),
      ...{ user: name, password: `${name} secret` },
    };
    const line = this.#toRelay("odmr", outside);
    const sender = this.#relay.life;
    const keep = (message: { from: string; to: readonly string[]; content: Uint8Array }) =>
      void this.#register.arrivals.push({ box: name, ...message, line, sender });
    await strangersCall(login, async () => line.caller, {
      ...{ life: outside, keep, moody: this.#peace ? 0 : this.#plan.moody },
    });
  }

  // Mail.

  /** Some letters in one session, from the world or from a house. */
  async #send(count: number): Promise<void> {
    const { chance, outside } = this.#world;
    const fromHome = chance.happens(this.#plan.fromHome);
    const house = chance.one([...this.#houses.values()]);
    const letters = Array.from({ length: count }, () => this.#letter(fromHome ? house.name : "relay"));
    let connection: Connection;
    if (fromHome) {
      const line = house.line({ delay: 0.2, cut: [undefined, undefined] }, outside);
      house.program?.enter(line.called);
      connection = line.caller;
    } else connection = this.#toRelay("intake", outside).caller;
    const talk = new Talk(connection);
    await talk.greeting();
    await talk.ask({ verb: "EHLO", name: "world.test" });
    const delivery = lineDelivery(talk, {
      compatibility: chance.one(["auto", "auto", "bdat", "plain"] as const),
    });
    await Promise.all(letters.map((letter) => this.#hand(letter, delivery)));
    await delivery.close();
  }

  #letter(at: string): Letter {
    const { chance } = this.#world;
    const domains = ["example.org", "example.com", "office.example", "shed.example"].filter((domain) =>
      this.#ownerOf(domain),
    );
    const outside = at === "relay" ? [] : ["world.test", "world.test"];
    const to = new Set(
      Array.from(
        { length: chance.between(1, 3) },
        () => `${chance.one(["ann", "bob"])}@${chance.one([...domains, ...outside])}`,
      ),
    );
    const domain =
      at === "relay"
        ? "sender.test"
        : this.#plan.houses.find(({ customer }) => customer.name === at)!.customer.domains[0]!;
    return this.#register.letter(at, domain, [...to]);
  }

  async #hand(letter: Letter, delivery: ReturnType<typeof lineDelivery>): Promise<void> {
    const outcomes = await delivery.deliver({
      id: letter.from,
      envelope: {
        from: letter.from,
        recipients: letter.to.map((address) => ({ address, notify: [] })),
        smtputf8: false,
      },
      size: letter.body.length,
      arrived: this.#world.outside.now(),
      content: () => [letter.body],
    });
    for (const { to, result, reply } of outcomes) {
      const fate =
        result === "delivered"
          ? "accepted"
          : result === "unanswered"
            ? "unknown"
            : reply.code === 451
              ? "not stored"
              : "refused";
      letter.fates.set(to, fate);
      this.#world.note(`${letter.from} for ${to}: ${fate} ${reply.code}`);
    }
  }

  #ownerOf(domain: string): string | undefined {
    const { houses, stranger } = this.#plan;
    const customers = [...houses.map(({ customer }) => customer), ...(stranger ? [stranger] : [])];
    return customers.find(({ domains }) => domains.includes(domain))?.name;
  }

  /** What a line, a crash or a disk does to the errands of the outside is what it is there for. */
  #lost(fault: unknown): void {
    this.#world.note(`lost: ${fault}`);
  }

  // Afterwards.

  #makePeace(): void {
    this.#world.note("peace");
    this.#peace = true;
    for (const machine of this.#machines) {
      machine.disk.illness = undefined;
      machine.disk.power = undefined;
      if (machine.disk.gone) machine.crash(500);
    }
  }

  async #stopAll(): Promise<void> {
    await this.#world.until(Promise.all(this.#machines.map((machine) => machine.stop())), 120_000);
  }

  async #retryAll(): Promise<void> {
    for (const { program } of [this.#relay, ...this.#houses.values()])
      if (program !== undefined)
        for await (const _ of program.spool.act(
          { type: "retry" },
          {},
          { name: "operator", reason: "peace" },
        ));
  }

  async #strangerFetches(): Promise<void> {
    if (this.#plan.stranger !== undefined) await this.#strangerCalls();
  }

  /** Mail that could have gone on in peace, and did not. */
  async #stuck(): Promise<readonly string[]> {
    const stuck: string[] = [];
    for (const { name, program } of [this.#relay, ...this.#houses.values()]) {
      if (program === undefined) return [`${name} does not start`];
      for (const state of ["waiting", "leased"] as const)
        for await (const { sender, direction, customer } of program.spool.list({ state }))
          if (sender !== "" && this.#plan.moody === 0)
            stuck.push(`${name}: ${sender} is ${state} for ${direction} ${customer} after all`);
    }
    return stuck;
  }

  async #check(): Promise<Findings> {
    const stations: Station[] = [];
    try {
      for (const { name, disk } of this.#machines) {
        const { outside } = this.#world;
        const spool = await openSpool({
          ...{ path: spoolPath(disk), clock: outside, random: outside.random, log: silent },
          ...({ files: systemFiles, thread: "here", asIs: true } as const),
        });
        stations.push({ name, spool });
      }
      const { calm } = this.#plan;
      const ownerOf = (domain: string) => this.#ownerOf(domain);
      return await findingsOf({ register: this.#register, stations, ownerOf, calm, ill: this.#ill });
    } finally {
      for (const { spool } of stations) await spool.close();
    }
  }
}
