/** `odmr queue` in tests: in this process or as one of its own, on a configuration with two customers and an account. */

import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { main } from "../../cmd/odmr.ts";
import { commandLine } from "./cli.ts";
import { collected, inFolder, octets } from "./mail.ts";

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly octets: Uint8Array;
}

export type Queue = (...words: readonly string[]) => Promise<Ended>;

/** `odmr queue` in this process, on the configuration in the folder. */
export function queueIn(folder: string, terminal: object = {}): Queue {
  return async (action = "", ...words) => {
    const pieces: Uint8Array[] = [];
    const said: string[] = [];
    const stdout = {
      write: (piece: string | Uint8Array) =>
        void pieces.push(typeof piece === "string" ? octets(piece) : piece),
      ...terminal,
    };
    const stderr = { write: (text: string) => void said.push(text) };
    const argv = ["queue", action, ...words, "--config", join(folder, "odmr.yaml")];
    const code = await main(argv, "odmr", { stdout, stderr, env: {} });
    const all = await collected(pieces);
    return { code, out: new TextDecoder().decode(all), err: said.join(""), octets: all };
  };
}

/** The same as a process of its own, for what reads stdin. */
export function piped(
  folder: string,
  stdin: string | Uint8Array,
  ...words: readonly string[]
): Promise<Ended> {
  const [file, ...argv] = commandLine(["queue", ...words, "--config", join(folder, "odmr.yaml")]);
  return new Promise((resolve, reject) => {
    const child = spawn(file, argv);
    let out = "";
    let err = "";
    child.stdout.on("data", (piece) => (out += piece));
    child.stderr.on("data", (piece) => (err += piece));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, out, err, octets: octets(out) }));
    child.stdin.end(stdin);
  });
}

export async function withQueue(act: (queue: Queue, folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const secret = join(folder, "secret");
    await writeFile(secret, "x\n", { mode: 0o600 });
    await writeFile(
      join(folder, "odmr.yaml"),
      `hostname: relay.example.net
spool: spool.db
serve:
  listen: [{ service: intake, address: "127.0.0.1:2525" }]
  customers:
    - { name: home, domains: [example.org], password: { file: secret } }
    - { name: other, domains: [other.example], password: { file: secret } }
pull:
  accounts:
    - name: vps
      provider: relay.example.net:366
      user: home
      password: { file: secret }
      domains: [house.example]
      deliver: [{ match: "*@house.example", to: "discard:" }]
`,
    );
    await writeFile(join(folder, "one.eml"), "Subject: one\n\n1\n");
    await writeFile(
      join(folder, "two.eml"),
      `Subject: =?utf-8?q?two=1B[31m?=\n\nlong \x1b[2J\n${"x\n".repeat(2000)}`,
    );
    await act(queueIn(folder), folder);
  });
}

export const idsOf = (out: string): readonly string[] =>
  out.split("\n").flatMap((line) => line.split(/\s/)[0] || []);

/** The objects of JSON Lines. */
export const jsonOf = (out: string) =>
  out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
