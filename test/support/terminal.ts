/** The program before a person: it runs in a pseudo terminal, and each answer is typed when its question stands there. */
import { existsSync } from "node:fs";
import { commandLine, type Setting } from "./cli.ts";
import { python } from "./python.ts";

/** The terminal is Debian's Python's. */
export const withTerminal = {
  skip: !process.env.CI && !existsSync("/usr/bin/python3") && "not installed: python3",
};

export interface Sat {
  readonly status: number;
  /** All that stood on the terminal, what was typed with it. */
  readonly screen: string;
}

/** @param answers what is typed when a text has come up, in this order; "\x04" is Ctrl-D */
export function atTerminal(
  args: readonly string[],
  answers: readonly (readonly [seen: string, typed: string])[],
  { cwd, env = {} }: Setting = {},
): Promise<Sat> {
  return python(SITTING, { words: commandLine(args), answers, cwd, env: { NO_COLOR: "1", ...env } });
}

/** After a minute without a word it gives up. */
const SITTING = `
import os, pty, select
child, terminal = pty.fork()
if child == 0:
    if given.get("cwd"): os.chdir(given["cwd"])
    os.environ.update(given["env"])
    os.execv(given["words"][0], given["words"])
screen, seen, answers = b"", 0, list(given["answers"])
while True:
    if not select.select([terminal], [], [], 60)[0]:
        os.kill(child, 9)
        break
    try:
        octets = os.read(terminal, 4096)
    except OSError:
        break
    if not octets: break
    screen += octets
    while answers and (at := screen.find(answers[0][0].encode(), seen)) >= 0:
        seen = at + len(answers[0][0].encode())
        os.write(terminal, answers.pop(0)[1].encode())
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps({"status": status, "screen": screen.decode(errors="replace").replace("\\r\\n", "\\n")}))`;
