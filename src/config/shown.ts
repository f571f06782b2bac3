/** A value of a configuration or a command line as a message repeats it. */
// Where a password could be written by mistake (user:password@host) it is left out: messages end in logs and tickets.

/** In quotes, or in a word that says what kind of thing it is. */
export function shown(input: unknown): string {
  if (input === null) return "what is empty";
  if (typeof input === "string") return `"${withoutPassword(input)}"`;
  return typeof input === "object" ? "this" : String(input);
}

/** From the colon behind the user (not the one of the scheme) to the last @: a password may hold either. */
export function withoutPassword(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:(?=\/)|(?![a-z][a-z0-9+.-]*:\/))([^:]*):.*@/is, "$1$2:…@");
}
