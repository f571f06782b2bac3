/** When mail that was answered 4xx is tried again: sooner at first, then ever more seldom, with a little chance in it. */
import type { Random } from "../platform/random.ts";
import type { Backoff } from "./pump.ts";

const MINUTE = 60_000;
/** After the first refusal, the second, …; the last for all further ones. */
const steps = [5, 15, 30, 60, 120, 240].map((minutes) => minutes * MINUTE);

/** Within a tenth of the step, so that messages refused together do not all come back together. */
export function afterRefusal(random: Random): Backoff {
  return (attempts) => {
    const step = steps[Math.min(attempts, steps.length - 1)]!;
    return Math.round(step * (0.95 + random.fraction() / 10));
  };
}
