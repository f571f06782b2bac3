import assert from "node:assert/strict";
import { it } from "node:test";
import { Sleeper, vigilOn } from "../../src/net/vigil.ts";
import { manualClock } from "../support/clock.ts";

/** Writes down when it was woken. */
class Guest extends Sleeper {
  readonly woken: number[] = [];
  readonly #clock: { steady(): number };
  constructor(clock: { steady(): number }) {
    super();
    this.#clock = clock;
  }
  ring(): void {
    this.woken.push(this.#clock.steady());
  }
}

it("a thousand are woken in time by one timer, whoever changed its mind or left meanwhile", async () => {
  const clock = manualClock();
  const vigil = vigilOn(clock);
  const guests = Array.from({ length: 1_000 }, () => new Guest(clock));
  const wanted = guests.map((_, i) => [(i * 7_919) % 1_009]);
  for (const [i, guest] of guests.entries()) vigil.wake(guest, wanted[i]![0]!);
  for (const [i, guest] of guests.entries()) {
    if (i % 3 === 1) wanted[i] = [];
    if (i % 3 === 1) vigil.forget(guest);
    if (i % 3 === 2) wanted[i] = [(i * 104_729) % 997];
    if (i % 3 === 2) vigil.wake(guest, wanted[i]![0]!);
  }
  assert.equal(clock.timers, 1);
  await clock.advance(500);
  assert.equal(clock.timers, 1);
  await clock.advance(600);
  assert.deepEqual(
    guests.map(({ woken }) => woken),
    wanted,
  );
  assert.equal(clock.timers, 0);
});

it("who is woken may sleep on, and nobody is left to wake once all have gone", async () => {
  const clock = manualClock();
  const vigil = vigilOn(clock);
  const guest = new Guest(clock);
  const restless = new (class extends Guest {
    override ring(): void {
      super.ring();
      vigil.wake(this, clock.steady() + 10);
    }
  })(clock);
  vigil.wake(guest, 15);
  vigil.wake(restless, 5);
  await clock.advance(30);
  assert.deepEqual([guest.woken, restless.woken], [[15], [5, 15, 25]]);
  vigil.forget(restless);
  assert.equal(clock.timers, 0);
});
