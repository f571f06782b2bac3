import assert from "node:assert/strict";
import { it } from "node:test";
import { Company } from "../../src/relay/company.ts";
import { manualClock } from "../support/clock.ts";
import { pipe } from "../support/pipe.ts";

it("a line has one place, from its login to its end, or until it goes on under TLS and is nobody", () => {
  const [one, two] = pipe({ clock: manualClock() });
  const company = new Company();
  const said = [
    company.admits(one, "home", 1),
    company.admits(two, "home", 1),
    company.admits(two, "work", 1),
  ];
  company.leave(one);
  company.leave(one);
  said.push(company.admits(one, "home", 1), company.admits(one, "work", 1));
  assert.deepEqual(said, [true, false, true, true, false]);
});
