/** A turn that runs, as its record is kept: begun, noted now and then, ended. */
// A record that cannot be written is logged; the turn it tells of goes on.

import type { Clock, Timer } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { RunningTurn, TurnFacts, TurnRecord, TurnTally } from "./records.ts";
import { SEEN_EVERY } from "./rows.ts";

const PROGRESS_EVERY = 1000;

export interface TurnDesk {
  readonly clock: Clock;
  readonly log: Log;
  note(turn: TurnRecord): Promise<unknown>;
}

export class NotedTurn implements RunningTurn {
  readonly #desk: TurnDesk;
  #turn: TurnRecord;
  #timer: Timer;
  #soon = false;

  constructor(id: string, facts: TurnFacts, desk: TurnDesk) {
    this.#desk = desk;
    this.#turn = {
      ...{ id, side: facts.side, customer: facts.customer, peer: facts.peer },
      ...{ started: desk.clock.now(), state: "running" },
      ...{ delivered: 0, deferred: 0, refused: 0, octets: 0 },
    };
    this.#timer = desk.clock.after(SEEN_EVERY, () => this.#again());
    void this.#write();
  }

  progress({ delivered, deferred, refused, octets }: TurnTally): void {
    this.#turn = { ...this.#turn, delivered, deferred, refused, octets };
    if (this.#soon || this.#turn.state !== "running") return;
    this.#soon = true;
    this.#arm(PROGRESS_EVERY);
  }

  async end(why?: string): Promise<void> {
    if (this.#turn.state !== "running") return;
    this.#timer.stop();
    const ended = this.#desk.clock.now();
    this.#turn = {
      ...this.#turn,
      ended,
      ...(why === undefined ? { state: "done" } : { state: "failed", why }),
    };
    await this.#write();
  }

  #again(): void {
    this.#soon = false;
    this.#arm(SEEN_EVERY);
    void this.#write();
  }

  #arm(ms: number): void {
    this.#timer.stop();
    this.#timer = this.#desk.clock.after(ms, () => this.#again());
  }

  async #write(): Promise<void> {
    try {
      await this.#desk.note(this.#turn);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#desk.log.log("warn", "turn not noted", { customer: this.#turn.customer, why });
    }
  }
}
