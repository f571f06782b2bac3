/** What can be done with entries, and what each means, in words. */
// Whoever is about to do something reads here what becomes of the mail.

export const ACTIONS = ["hold", "release", "retry", "move", "bounce", "remove"] as const;
export type ActionName = (typeof ACTIONS)[number];

export interface ActionWords {
  /** On the button. */
  readonly name: string;
  /** What will happen. */
  readonly means: string;
  /** What has happened to so many messages. */
  readonly done: string;
  /** It cannot be undone. */
  readonly grave?: boolean;
}

export const words: Readonly<Record<ActionName, ActionWords>> = {
  hold: { name: "Hold", means: "It stays here until somebody releases it, whoever calls.", done: "held" },
  release: { name: "Release", means: "What was held goes on with the next call.", done: "released" },
  retry: { name: "Retry now", means: "It is due at once, however often it was tried.", done: "due now" },
  move: { name: "Move", means: "It waits for another customer from now on.", done: "moved" },
  bounce: {
    name: "Bounce",
    means: "It is refused for good, and its sender is told.",
    done: "bounced",
    grave: true,
  },
  remove: {
    name: "Remove",
    means: "It is deleted for good, and nobody is told.",
    done: "removed",
    grave: true,
  },
};

export const isAction = (text: string | undefined): text is ActionName =>
  ACTIONS.some((each) => each === text);
