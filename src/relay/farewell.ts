/** Who is to be told when the relay ends: sessions come and go by the thousand, so its signal has one listener for all. */
// A listener each would weigh more than all else that a silent session needs of the relay.

/** Somebody who says goodbye when told to. */
interface Leaving {
  leave(): void;
}

const audiences = new WeakMap<AbortSignal, Set<Leaving>>();

/** Those who are told when this signal is aborted: to be joined at the beginning, and left at the end. */
export function audienceOf(stopping: AbortSignal): Set<Leaving> {
  const known = audiences.get(stopping);
  if (known !== undefined) return known;
  const audience = new Set<Leaving>();
  audiences.set(stopping, audience);
  stopping.addEventListener("abort", () => {
    for (const one of [...audience]) one.leave();
  });
  return audience;
}
