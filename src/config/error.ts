/** A configuration that cannot be used, with everything that is wrong with it at once. */

/** Each problem is one line: `file:line:column: key.path: what is wrong; what to write`, less what is not known. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: string | readonly string[], options?: ErrorOptions) {
    const all = typeof problems === "string" ? [problems] : problems;
    super(all.join("\n"), options);
    this.problems = all;
  }
}
