/** What happens while it storms: letters are handed in, and everything breaks that can. */
import { lineDelivery } from "../../src/delivery/line.ts";
import type { Connection } from "../../src/net/connection.ts";
import { Talk } from "../../src/net/talk.ts";
import type { Machine, Program } from "./machine.ts";
import { spoolOf } from "./office.ts";
import type { Plan } from "./plan.ts";
import type { Fate, Letter } from "./register.ts";
import type { House, Office, Town } from "./town.ts";
import type { World } from "./world.ts";

export class Storm {
  /** Some disk was ill. */
  ill = false;
  readonly #town: Town;
  readonly #world: World;
  readonly #plan: Plan;

  constructor(town: Town) {
    this.#town = town;
    this.#world = town.world;
    this.#plan = town.plan;
  }

  /** All that the plan has in it will happen, some time in the storm. */
  letTroubleCome(): void {
    const { chance } = this.#world;
    const { storm, letters, calls, crashes, restarts, illnesses, operators, stranger } = this.#plan;
    const now = (times: number, act: () => void): void => {
      for (let i = 0; i < times; i++) this.#world.after(chance.fraction() * storm, act);
    };
    const house = () => chance.one([...this.#town.houses.values()]);
    now(
      Math.ceil(letters / 2),
      () => void this.#send(chance.between(1, 3)).catch((fault) => this.#town.lost(fault)),
    );
    if (stranger !== undefined)
      now(calls.byStranger, () => {
        for (let i = chance.between(1, 2); i > 0; i--)
          void this.#town.strangerCalls().catch((fault) => this.#town.lost(fault));
      });
    now(
      calls.byHand,
      () =>
        void house()
          .program?.pull()
          .catch((fault) => this.#town.lost(fault)),
    );
    now(crashes.relay, () => this.#crash(chance.one(this.#town.relays)));
    now(crashes.house, () => this.#crash(house()));
    const anyone = (): Machine<Program> => (chance.happens(0.5) ? chance.one(this.#town.relays) : house());
    now(restarts, () => void this.#restart(anyone()));
    now(illnesses, () => this.#sicken(anyone()));
    now(operators, () => void this.#operate().catch((fault) => this.#town.lost(fault)));
  }

  #crash(machine: Machine<Program>): void {
    const { chance } = this.#world;
    const down = chance.between(200, 8_000);
    const kind = chance.one(["any time", "commit", "step"] as const);
    if (kind === "any time") return machine.crash(down);
    if (kind === "commit")
      return machine.crashInCommit(
        chance.between(1, 12),
        chance.one(["before", "within", "after"] as const),
        down,
      );
    machine.crashAtStep(
      Math.floor(10 ** (chance.fraction() * 2.5)),
      chance.one(["before", "after"] as const),
      down,
    );
  }

  async #restart(machine: Machine<Program>): Promise<void> {
    this.#world.strike("restart");
    await machine.stop();
    if (!this.#town.peace) machine.boot();
  }

  #sicken({ disk, name }: Machine<Program>): void {
    const { chance } = this.#world;
    this.ill = true;
    disk.illness = { fault: chance.one(["full", "io", "sync"] as const), chance: chance.one([0.1, 0.5, 1]) };
    this.#world.note(`the disk of ${name} is ill: ${disk.illness.fault}`);
    this.#world.after(chance.between(500, 8_000), () => {
      disk.illness = undefined;
      // Whoever finds the disk dead starts the machine anew.
      if (disk.gone) for (const machine of this.#town.machines) if (machine.disk === disk) machine.crash(500);
    });
  }

  /** An operator acts on a spool, by the program or beside it. */
  async #operate(): Promise<void> {
    const { chance } = this.#world;
    const machine: Machine<House | Office> = chance.happens(0.7)
      ? chance.one(this.#town.relays)
      : chance.one([...this.#town.houses.values()]);
    const { life, program, disk, name } = machine;
    if (life === undefined || program === undefined) return;
    const beside = chance.happens(0.5) ? await spoolOf(disk, life, "operator", true) : undefined;
    const spool = beside ?? program.spool;
    const type = chance.one(["hold", "release", "retry", "remove", "bounce", "move"] as const);
    const customer = chance.one(this.#town.customers).name;
    const filter = chance.happens(0.5)
      ? { limit: chance.between(1, 3) }
      : { sender: `n${chance.between(1, 9)}@*` };
    this.#world.note(`operator ${type} at ${name} ${JSON.stringify(filter)}`);
    const all = type === "remove" ? { ...filter, limit: 2 } : filter;
    const wish: string[] = [];
    // What a crash keeps us from hearing may have been done: the intention counts.
    for await (const { id, sender, direction } of spool.list(all))
      if (sender !== "" && (direction === "turn" || type !== "move")) wish.push(id);
    const { removed, moved } = this.#town.register;
    if (type === "remove") for (const id of wish) removed.add(`${name} ${id}`);
    if (type === "move") for (const id of wish) moved.add(`${name} ${id}`);
    const action = type === "move" ? { type, customer } : { type };
    const ids = { ids: wish };
    if (wish.length > 0)
      for await (const id of spool.act(action, ids, { name: "operator", reason: "by hand" }))
        this.#acted(`${type} ${id}`);
    await beside?.close();
  }

  #acted(what: string): void {
    this.#world.strike("operator");
    this.#world.note(`operator ${what}`);
  }

  // Mail.

  /** Some letters in one session, from the world or from a house. */
  async #send(count: number): Promise<void> {
    const { chance, outside } = this.#world;
    const fromHome = chance.happens(this.#plan.fromHome);
    const house = chance.one([...this.#town.houses.values()]);
    const letters = Array.from({ length: count }, () => this.#letter(fromHome ? house : undefined));
    if (fromHome) {
      const line = house.line({ delay: 0.2, cut: [undefined, undefined] }, outside);
      house.program?.enter(line.called);
      return await this.#handIn(letters, house.name, line.caller);
    }
    const relays = chance.happens(this.#plan.backup) ? this.#town.relays : [chance.one(this.#town.relays)];
    if (relays.length > 1) for (const _ of letters) this.#world.strike("twice");
    for (const relay of relays) {
      const line = this.#town.toRelay("intake", { from: outside, relay });
      await this.#handIn(letters, relay.name, line.caller);
    }
  }

  async #handIn(letters: readonly Letter[], at: string, connection: Connection): Promise<void> {
    const { chance } = this.#world;
    const talk = new Talk(connection);
    await talk.greeting();
    await talk.ask({ verb: "EHLO", name: "world.test" });
    const delivery = lineDelivery(talk, {
      compatibility: chance.one(["auto", "auto", "bdat", "plain"] as const),
    });
    await Promise.all(letters.map((letter) => this.#hand(letter, at, delivery)));
    await delivery.close();
  }

  #letter(house: Machine<House> | undefined): Letter {
    const { chance } = this.#world;
    const domains = ["example.org", "example.com", "office.example", "shed.example"].filter((domain) =>
      this.#town.ownerOf(domain),
    );
    const outside = house === undefined ? [] : ["world.test", "world.test"];
    const to = new Set(
      Array.from(
        { length: chance.between(1, 3) },
        () => `${chance.one(["ann", "bob"])}@${chance.one([...domains, ...outside])}`,
      ),
    );
    const plan = this.#plan.houses.find(({ customer }) => customer.name === house?.name);
    return this.#town.register.letter(plan?.customer.domains[0] ?? "sender.test", [...to]);
  }

  async #hand(letter: Letter, at: string, delivery: ReturnType<typeof lineDelivery>): Promise<void> {
    const fates = new Map<string, Fate>(letter.to.map((address) => [address, "refused"]));
    letter.fates.set(at, fates);
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
      fates.set(to, fate);
      this.#world.note(`${letter.from} for ${to} at ${at}: ${fate} ${reply.code}`);
    }
  }
}
