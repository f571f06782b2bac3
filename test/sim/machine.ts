/** A machine on which a program lives: it starts, is stopped, crashes in the middle of anything, and starts again. */
// A dead life's promises never resolve and its timers never ring: what it left is on its disk, and in the lines on their way.
import { ConnectionError } from "../../src/net/connection.ts";
import type { Store } from "../../src/spool/store.ts";
import type { Disk, Moment } from "./disk.ts";
import { Line, type LineFacts } from "./wire.ts";
import { type Fault, Life, type World } from "./world.ts";

/** What runs on a machine. */
export interface Program {
  /** Told to end; resolves when it has. */
  end(): Promise<void>;
}

/** A program that does not end within this, told to, is killed. */
const PATIENCE = 15_000;

export class Machine<P extends Program> {
  readonly name: string;
  readonly disk: Disk;
  /** Undefined: it is down, or only just starting. */
  program: P | undefined;
  life: Life | undefined;
  readonly #world: World;
  readonly #start: (life: Life) => Promise<P>;
  #lines: Line[] = [];
  #starts = 0;

  constructor(world: World, name: string, disk: Disk, start: (life: Life) => Promise<P>) {
    this.#world = world;
    this.name = name;
    this.disk = disk;
    this.#start = start;
  }

  /** Starts, again and again until it succeeds: the disk may be ill. */
  boot(): void {
    if (this.life !== undefined) return;
    const life = new Life(this.#world, `${this.name}.${++this.#starts}`);
    this.life = life;
    this.#world.note(`${life.name} boots`);
    this.#start(life).then(
      (program) => {
        if (life.dead) return;
        this.program = program;
        this.#world.note(`${life.name} is up`);
      },
      (fault: unknown) => {
        this.#world.note(`${life.name} does not start: ${fault}`);
        if (!life.dead) this.crash(2_000);
      },
    );
  }

  /** The power goes, and comes back after so many milliseconds. */
  crash(down: number, fault: Fault = "crash"): void {
    if (this.life === undefined || this.life.dead) return;
    this.#world.strike(fault);
    this.life.killed = true;
    this.#die();
    this.#world.after(0, () => this.disk.cutPower());
    this.#world.after(down, () => this.boot());
  }

  /** The power goes in the middle of the commit after so many. */
  crashInCommit(commits: number, moment: Moment, down: number): void {
    this.disk.power = { commits, moment, cut: () => this.crash(down, "commit") };
  }

  /** The power goes at whatever the program waits for after so many such steps. */
  crashAtStep(steps: number, moment: "before" | "after", down: number): void {
    if (this.life !== undefined) this.life.fate = { steps, moment, die: () => this.crash(down, "step") };
  }

  /** Nothing more happens to it; a disk that is dead is found, and the machine starts anew. */
  getWell(): void {
    this.disk.illness = undefined;
    this.disk.power = undefined;
    if (this.life !== undefined) this.life.fate = undefined;
    if (this.disk.gone) this.crash(500);
  }

  /** Ends in good order; one that hangs is killed. */
  async stop(): Promise<void> {
    const { life, program } = this;
    if (life === undefined || life.dead) return;
    this.disk.power = undefined;
    life.fate = undefined;
    let ended = false;
    if (program !== undefined) {
      const end = program.end().then(
        () => {
          ended = true;
        },
        (fault: unknown) => this.#world.note(`${life.name} ends badly: ${fault}`),
      );
      await Promise.race([end, this.#world.outside.do(PATIENCE, () => undefined)]);
    }
    if (life.dead) return;
    life.killed = !ended;
    this.#die();
    if (!ended) {
      this.#world.note(`${life.name} was killed`);
      this.disk.cutPower();
    }
  }

  /** A line from somebody to a door of this machine. @throws ConnectionError if nobody answers there */
  line(facts: LineFacts, caller: Life, from?: Machine<Program>): Line {
    if (this.program === undefined || this.life === undefined)
      throw new ConnectionError("refused", `${this.name} is down`);
    const line = new Line(this.#world, facts, caller, this.life);
    for (const machine of [this, from]) machine?.holds(line);
    return line;
  }

  /** The line breaks when this machine does. */
  holds(line: Line): void {
    this.#lines = this.#lines.filter((each) => !each.broken && !(each.caller.closed && each.called.closed));
    this.#lines.push(line);
  }

  /** The others find out soon, or by a keep-alive. */
  #die(): void {
    if (this.life === undefined) return;
    this.#world.note(`${this.life.name} dies`);
    this.life.dead = true;
    this.life = undefined;
    this.program = undefined;
    for (const line of this.#lines.splice(0))
      this.#world.after(this.#world.chance.wait(50, 20_000), () => line.break("the peer is gone"));
  }
}

/** The way to the database's thread and back takes time, and what comes meanwhile goes together: as with the Worker. */
export function between(life: Life): (store: Store) => Store {
  return (store) => ({
    async call(batch) {
      const answers = await life.do(life.random.wait(0.3, 20), () => store.call(batch));
      return life.do(life.random.wait(0.3, 20), () => answers);
    },
    close: () => life.do(0.1, () => store.close()),
  });
}
