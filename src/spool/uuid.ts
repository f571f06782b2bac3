/** UUIDv7 (RFC 9562 §5.7): ids that sort by time, from a Clock and a Random. */
// Within one maker they only grow: 74 bits count on from a random start while the clock stands still or goes back.
import type { Clock, Instant } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";

/** Makes a maker of ids. */
export function uuids(clock: Clock, random: Random): () => string {
  let time = -1;
  let count = 0;
  return () => {
    const now = clock.now();
    count = now > time ? startOf(random) : count + 1;
    time = Math.max(now, time);
    if (count > 0xfff) {
      time++;
      count = startOf(random);
    }
    return format(time, count, random.bytes(8));
  };
}

/** No id that was made at that moment or later is less than this. */
export function leastIdAt(at: Instant): string {
  const hex = Math.max(0, Math.floor(at)).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** The counter's start leaves half of its room to count in. */
function startOf(random: Random): number {
  const [high = 0, low = 0] = random.bytes(2);
  return ((high << 8) | low) & 0x7ff;
}

function format(time: number, count: number, tail: Uint8Array): string {
  let hex = time.toString(16).padStart(12, "0") + (0x7000 | count).toString(16);
  tail.forEach((byte, i) => {
    hex += (i === 0 ? 0x80 | (byte & 0x3f) : byte).toString(16).padStart(2, "0");
  });
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
