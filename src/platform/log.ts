/** Logs: one structured line for each event of a message's or a session's life. Never a secret, never message text. */

export type Level = "debug" | "info" | "warn" | "error";
export type Fields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface Log {
  /** `event` is a fixed short phrase in the past tense ("accepted", "turned", "delivered"); what varies is in the fields. */
  log(level: Level, event: string, fields?: Fields): void;
}

/** Says nothing. */
export const silent: Log = { log: () => {} };
