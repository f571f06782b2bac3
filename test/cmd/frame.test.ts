import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { commandNames } from "../../cmd/commands.ts";
import { main } from "../../cmd/odmr.ts";
import { commandLine, odmr } from "../support/cli.ts";

/** One command line, run in this process. */
async function run(argv: readonly string[], name = "odmr") {
  const said = { stdout: "", stderr: "" };
  const into = (stream: keyof typeof said) => ({
    write: (text: string) => {
      said[stream] += text;
    },
  });
  const streams = { stdout: into("stdout"), stderr: into("stderr"), env: { NO_COLOR: "1" } };
  const status = await main(argv, name, streams);
  return { status, ...said };
}

test("help lists every command with a line on each", async () => {
  const { status, stdout, stderr } = await run(["--help"]);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  for (const name of commandNames) assert.match(stdout, new RegExp(`^  ${name} +[A-Z].{20,}$`, "m"));
  assert.match(stdout, /^Examples:$/m);
});

test("a command line without words shows the help", async () => {
  assert.deepEqual(await run([]), await run(["--help"]));
});

for (const name of commandNames)
  test(`odmr ${name} --help has examples that can be pasted`, async () => {
    const { status, stdout } = await run([name, "--help"]);
    assert.equal(status, 0);
    assert.match(stdout, /^USAGE\n {2}odmr /);
    if (name !== "queue") assert.match(stdout, /^Examples:\n {2}\S.*# /m);
  });

test("a command that is not there is a usage error, with the one that was meant", async () => {
  assert.deepEqual(await run(["chek"]), {
    status: 64,
    stdout: "",
    stderr: 'odmr: there is no command "chek"; did you mean check?\n',
  });
  const { status, stderr } = await run(["--bla"]);
  assert.deepEqual(
    { status, stderr },
    {
      status: 64,
      stderr:
        'odmr: there is no command "--bla"; options stand behind the command, and odmr --help names the commands\n',
    },
  );
});

test("an option that is not there is a usage error, with the one that was meant", async () => {
  const { status, stdout, stderr } = await run(["check", "--jsn"]);
  assert.deepEqual({ status, stdout }, { status: 64, stdout: "" });
  assert.match(stderr, /^odmr: there is no --jsn; did you mean --json\?; see --help\n$/);
});

test("a word that is too much is a usage error", async () => {
  assert.equal((await run(["check", "odmr.yaml"])).status, 64);
});

test("what a word lacks is said in our words, in every build", async () => {
  const said = async (...words: readonly string[]) => (await run(words)).stderr;
  assert.equal(await said("init"), "odmr: relay|home is missing; see --help\n");
  assert.equal(
    await said("init", "cloud"),
    'odmr: relay|home: "cloud" is neither relay nor home; see --help\n',
  );
  assert.equal(await said("check", "all"), 'odmr: "all" is a word too many; see --help\n');
  assert.equal(await said("serve", "--log", "xml"), 'odmr: --log: "xml" is none of text, json; see --help\n');
  assert.equal(await said("check", "-x"), "odmr: there is no -x; see --help\n");
  assert.equal(await said("check", "--config"), "odmr: --config wants a value; see --help\n");
});

test("help and version may be said as words", async () => {
  assert.deepEqual(await run(["help"]), await run(["--help"]));
  assert.deepEqual(await run(["help", "queue", "list"]), await run(["queue", "list", "--help"]));
  assert.deepEqual(await run(["version", "--json"]), await run(["--version", "--json"]));
});

test("a call without a password, or with a time that is none, is a usage error", async () => {
  const { status, stderr } = await run(["pull", "odmr://home@127.0.0.1:1/example.org", "--to", "discard:"]);
  const what = "say how home logs in: --password-file FILE, with the password on one line";
  assert.deepEqual([status, stderr], [64, `odmr: ${what}\n`]);
  for (const time of ["0s", "soon"]) assert.equal((await run(["pull", "--timeout", time])).status, 64, time);
  assert.equal((await run(["pull", "--now", "--timeout", "9s"])).status, 64);
});

test("called through a link that is named after a command, the program is that command", async () => {
  assert.deepEqual(await run(["--help"], "check"), await run(["check", "--help"]));
});

test("a reader that has seen enough is no error", async () => {
  const [file, ...words] = commandLine(["check", "--schema"]);
  const child = spawn(file, words, { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const status = await new Promise((resolve) => child.on("close", resolve));
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
});

test("without a configuration a command says where it looked, and ends with 78", async () => {
  const env = { XDG_CONFIG_HOME: "/nowhere", HOME: "/nowhere" };
  const { status, stdout, stderr } = await odmr(["check", "--config", "/nowhere/odmr.yaml"], { env });
  assert.deepEqual({ status, stdout }, { status: 78, stdout: "" });
  assert.match(stderr, /^\/nowhere\/odmr\.yaml: does not exist; write one with odmr init\n$/);
});
