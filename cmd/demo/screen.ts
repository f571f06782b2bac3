/** What the visitor sees: stages that tick off, a table, and things to try; plain lines where nobody watches. */
// On a terminal the line of a running stage is rewritten in place; in a pipe a stage is one line, when it is over.

export interface Screen {
  title(name: string, what: string): void;
  /** Runs one stage, shows how it goes, and what it came to. Its time goes into the table. */
  stage<T>(name: string, work: (say: (soFar: string) => void) => Promise<readonly [T, string]>): Promise<T>;
  table(rows: Readonly<Record<string, string | number>>): void;
  complaint(text: string): void;
  suggest(things: readonly Suggestion[]): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

/** Something to paste, and what for. */
export interface Suggestion {
  readonly what: string;
  readonly line: string;
}

const WIDTH = 12;
const SPIN = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const TURN = 80;
const CLEAR = "\r\x1b[2K";

export function screenOn(out: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Screen {
  const live = out.isTTY === true && env.TERM !== "dumb";
  const paint =
    live && !env.NO_COLOR ? (code: number, text: string) => `\x1b[${code}m${text}\x1b[0m` : plainly;
  const done = live ? paint(32, "✓") : "ok";
  const failed = live ? paint(31, "✗") : "failed";
  const seconds: [string, number][] = [];
  const line = (text: string) => void out.write(`${text}\n`);
  let timer: ReturnType<typeof setInterval> | undefined;

  const spin = (name: string): ((soFar: string) => void) => {
    let soFar = "";
    let turn = 0;
    const draw = () => {
      const wheel = SPIN[turn++ % SPIN.length]!;
      out.write(`${CLEAR}  ${paint(36, wheel)} ${name.padEnd(WIDTH)}${paint(2, soFar)}`);
    };
    if (live) timer = setInterval(draw, TURN);
    return (text) => {
      soFar = text;
    };
  };
  const stop = () => {
    clearInterval(timer);
    if (timer !== undefined) out.write(CLEAR);
    timer = undefined;
  };

  return {
    title: (name, what) => line(`\n  ${paint(1, name)}  ${what}\n`),
    async stage(name, work) {
      const began = performance.now();
      const say = spin(name);
      let end = `${failed} ${name}`;
      try {
        const [result, came] = await work(say);
        const took = (performance.now() - began) / 1_000;
        seconds.push([name, took]);
        end = `${done} ${name.padEnd(WIDTH)}${came}  ${paint(2, `${took.toFixed(2)} s`)}`;
        return result;
      } finally {
        stop();
        line(`  ${end}`);
      }
    },
    table(rows) {
      line("");
      for (const [name, value] of Object.entries(rows))
        line(`  ${name.padEnd(WIDTH)}  ${paint(1, String(value))}`);
      line("");
      for (const [name, took] of seconds) line(`  ${name.padEnd(WIDTH)}  ${took.toFixed(2).padStart(6)} s`);
      line("");
    },
    complaint: (text) => line(`  ${failed} ${text}`),
    suggest(things) {
      line("  The relay stays up. Things to try in another terminal:\n");
      for (const thing of things) line(`  ${paint(2, `# ${thing.what}`)}\n  ${thing.line}\n`);
      line(`  ${paint(1, "Ctrl-C")} ends it and removes the folder.\n`);
    },
    end: stop,
  };
}

const plainly = (_: number, text: string): string => text;
