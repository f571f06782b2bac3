/** What a visitor may try while the relay is up: lines to paste, with the real ports, and only of programs that are here. */
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Place } from "./place.ts";
import type { Suggestion } from "./screen.ts";

export async function suggestions({ folder, ports }: Place): Promise<readonly Suggestion[]> {
  const from = "you@world.example";
  const to = "bob@example.org";
  const intake = `127.0.0.1:${ports.intake}`;
  const ways: readonly (readonly [string, Suggestion])[] = [
    ["swaks", { what: "write to bob", line: `swaks --server ${intake} --from ${from} --to ${to}` }],
    [
      "curl",
      {
        what: "write to bob, with curl",
        line: `printf 'Subject: hello\\r\\n\\r\\nHello Bob\\r\\n' | curl -sS smtp://${intake} --mail-from ${from} --mail-rcpt ${to} -T -`,
      },
    ],
    [
      "nc",
      { what: "talk SMTP yourself (EHLO me, MAIL FROM:<…>, …)", line: `nc -C 127.0.0.1 ${ports.intake}` },
    ],
    [
      "openssl",
      {
        what: "talk to the customers' door, under TLS",
        line: `openssl s_client -quiet -crlf -starttls smtp -connect 127.0.0.1:${ports.odmr}`,
      },
    ],
  ];
  const here = await Promise.all(ways.map(async ([program, way]) => ((await isHere(program)) ? [way] : [])));
  return [
    {
      what: "the folder: both configurations, the spools, the Maildirs, the log",
      line: `cd ${folder} && ls`,
    },
    ...here.flat(),
    { what: "see what waits for the house", line: "./odmr queue list --config relay.yaml" },
    { what: "call, and fetch it", line: "./odmr pull --config house.yaml" },
    { what: "read the newest", line: `ls -t mail/example.org/bob/new/* | head -1 | xargs cat` },
    {
      what: "what became of it, by the relay's own account",
      line: "./odmr queue history --config relay.yaml | tail",
    },
    { what: "watch the relay", line: "tail -f relay.log" },
  ];
}

/** Whether a program can be started by its name. */
async function isHere(program: string): Promise<boolean> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
