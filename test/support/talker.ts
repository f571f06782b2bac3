/** A conversation through a program that joins its stdin and stdout to a server: one line said, one reply heard. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface Talker {
  /** The next reply, without line ends; the lines of a long one are joined by LF. */
  heard(): Promise<string>;
  /** Says one line (or a body), and waits for the reply. */
  ask(text: string): Promise<string>;
}

export async function withTalker<T>(
  file: string,
  args: readonly string[],
  use: (talker: Talker) => Promise<T>,
): Promise<T> {
  const program = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
  let trouble = "";
  program.stderr.setEncoding("utf8").on("data", (text: string) => {
    trouble += text;
  });
  program.stdin.on("error", () => {}); // the program may end first
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const heard = async (): Promise<string> => {
    const said: string[] = [];
    do {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${file} ended: ${trouble}`);
      said.push(value);
    } while (/^\d{3}-/.test(said.at(-1)!));
    return said.join("\n");
  };
  try {
    return await use({
      heard,
      ask: (text) => {
        program.stdin.write(`${text}\n`);
        return heard();
      },
    });
  } finally {
    program.kill();
  }
}
