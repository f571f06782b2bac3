/** Every example of the README is run, on a relay and a house in one folder: only names, ports and paths are put in. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import { fromSource, serve } from "../cmd/demo/child.ts";
import { lettersIn } from "../cmd/demo/letters.ts";
import { makePlace, type Place } from "../cmd/demo/place.ts";
import { send } from "../cmd/demo/send.ts";
import { parseConfig } from "../src/config/load.ts";
import { inFolder } from "./support/cli.ts";
import { joined } from "./support/page.ts";
import { inWorld, portOf } from "./support/program.ts";

const root = new URL("..", import.meta.url).pathname;

interface Example {
  readonly language: string;
  readonly text: string;
}

async function examples(): Promise<readonly Example[]> {
  const readme = await readFile(join(root, "README.md"), "utf8");
  return [...readme.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language = "", text = ""]) => ({
    language,
    text,
  }));
}

/** The one example of a language that speaks of `word`. */
async function example(language: string, word: string): Promise<string> {
  const found = (await examples()).filter((each) => each.language === language && each.text.includes(word));
  assert.equal(found.length, 1, `one ${language} example with "${word}"`);
  return found[0]!.text;
}

/** What a reader would put in: where things are on this computer. */
function here(text: string, place: Place): string {
  return text
    .replaceAll(/(?<!hostname: )relay\.example\.net(:366)?\b/g, `localhost:${place.ports.odmr}`)
    .replaceAll('"0.0.0.0:366"', `"127.0.0.1:${place.ports.odmr}"`)
    .replaceAll('"0.0.0.0:25"', `"127.0.0.1:${place.ports.intake}"`)
    .replaceAll("/etc/odmr/tls.", `${place.folder}/relay.`)
    .replaceAll("/etc/odmr/", `${place.folder}/`)
    .replaceAll("/var/mail/", `${place.folder}/mail/`)
    .replaceAll(/\s*#.*$/gm, "");
}

type Part = Readonly<Record<string, unknown>>;

const shell = promisify(execFile);

/** Runs the lines of a shell example in a folder, with `odmr` in PATH. */
async function run(text: string, place: Place, cwd: string): Promise<string> {
  const env = {
    ...process.env,
    PATH: `${place.folder}:${process.env.PATH}`,
    XDG_STATE_HOME: join(place.folder, "state"),
  };
  const { stdout } = await shell("bash", ["-euo", "pipefail", "-c", text], { cwd, env });
  return stdout;
}

/** Messages in the Maildirs of these folders. */
async function arrived(folders: string, place: Place): Promise<number> {
  return Number(await run(`find ${folders} -path '*/new/*' -type f | wc -l`, place, place.folder));
}

describe("the README", () => {
  it("names scripts that are there", async () => {
    const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    for (const [, name = ""] of (await readFile(join(root, "README.md"), "utf8")).matchAll(
      /\bnpm (?:run )?(start|test|build|bench|release|torture)\b/g,
    ))
      assert.ok(name in scripts, name);
  });

  it("names pages that are there", async () => {
    const readme = await readFile(join(root, "README.md"), "utf8");
    for (const [, page = ""] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) await access(join(root, page));
  });

  it("has configurations that are right, whole or as a part of one", async () => {
    const all = (await examples())
      .filter(({ language }) => language === "yaml")
      .map(({ text }) => parse(text) as Part);
    const whole = all.filter((each) => "hostname" in each);
    assert.equal(whole.length, 2);
    assert.ok(all.length > whole.length + 2);
    for (const part of all) {
      const [base = {}] = whole.filter((each) => ("pull" in part ? "pull" in each : "serve" in each));
      parseConfig(stringify(joined(base, part)), "/etc/odmr/odmr.yaml");
    }
  });

  it("brings two machines from nothing to mail, with an invitation", () =>
    inWorld(fromSource, async (world) => {
      const wordsOf = (text: string) =>
        text
          .trim()
          .split("\n")
          .map((line) => line.split(" ").slice(1));
      const [init = [], serving, invite = []] = wordsOf(await example("sh", "odmr invite"));
      const [joining = [], pulling] = wordsOf(await example("sh", "odmr join"));
      assert.deepEqual([serving, pulling], [["serve"], ["pull", "--daemon"]]);
      const run = async (...words: readonly string[]) => {
        const { status, stdout, stderr } = await world.run(words);
        assert.equal(status, 0, stderr);
        return stdout;
      };
      await run(...init);
      const relay = (await readFile(world.at("odmr.yaml"), "utf8"))
        .replace("0.0.0.0:366", "127.0.0.1:0")
        .replace("0.0.0.0:25", "127.0.0.1:0")
        .replace("/var/lib/odmr/spool.db", "relay/spool.db");
      const { doors } = await world.serve(await world.file("odmr.yaml", relay));
      const line = await run(...invite, "--address", `127.0.0.1:${portOf(doors.odmr)}`);
      await world.file("line", line);
      const home = ["--config", "home.yaml"];
      const answers = ["--file", "line", "--to", "maildir:mail/{local}", "--spool", "home/spool.db"];
      assert.match(await run(...joining, ...home, ...answers), /went to the relay and came back/);
      await run("pull", ...home);
    }));

  it("can be followed: a relay, a house, mail, the queue", () =>
    inFolder(async (folder) => {
      const place = await makePlace(folder);
      await mkdir(join(folder, "relay"));
      await mkdir(join(folder, "home"));

      // The relay.
      const relaySteps = (await example("sh", "odmr init relay odmr.yaml")).split("\n");
      const relay = join(folder, "relay");
      await run(relaySteps.filter((line) => /init|passwd/.test(line)).join("\n"), place, relay);
      await shell("cp", [join(relay, "home.secret"), folder]);
      const relayYaml = here(await example("yaml", "hostname: relay"), place).replace("/var/lib/odmr", relay);
      await writeFile(join(relay, "odmr.yaml"), relayYaml);
      await run(relaySteps.filter((line) => line.includes("odmr check")).join("\n"), place, relay);
      assert.ok(relaySteps.some((line) => line === "odmr serve --config odmr.yaml"));
      const serving = await serve(join(relay, "odmr.yaml"), { doors: 2, cwd: relay });
      try {
        const letters = (await lettersIn(join(root, "test", "fixtures"))).slice(0, 5);
        const post = () => send(letters, { port: place.ports.intake, sessions: 1 }, () => {});
        const { size: sent } = await post();

        // The queue, as an operator sees it while the relay runs.
        const queue = (await example("sh", "odmr queue list\n")).split("\n").filter((line) => line !== "");
        const seen = await run(`${queue[0]} --config odmr.yaml`, place, relay);
        assert.equal(seen.trim().split("\n").length, sent);
        for (const line of queue.slice(1)) {
          const configured = line.replaceAll(/odmr queue (\w+)/g, "odmr queue $1 --config odmr.yaml");
          await run(`${configured} || test $? = 1`, place, relay);
        }
        assert.match(await readFile(join(relay, "saved.mbox"), "utf8"), /^From /);

        // The house.
        const home = join(folder, "home");
        await shell("cp", [join(folder, "home.secret"), join(home, "password-from-the-relay")]);
        const homeSteps = here(await example("sh", "odmr init home"), place).split("\n");
        await run(homeSteps.filter((line) => /init|passwd/.test(line)).join("\n"), place, home);
        const homeYaml = here(await example("yaml", "hostname: home"), place)
          .replace("/var/lib/odmr", home)
          .replace("user: home", `user: home\n      ca: ${folder}/relay.crt`)
          .replace(/.*sales@.*\n/, "");
        await writeFile(join(home, "odmr.yaml"), homeYaml);
        const pulled = await run(homeSteps.filter((line) => /check|pull/.test(line)).join("\n"), place, home);
        assert.match(pulled, new RegExp(`${sent} messages`));
        assert.equal(await arrived("mail/example.org", place), sent);

        // Without a configuration.
        await post();
        const line = here(await example("sh", "odmr://"), place).trim();
        assert.match(await run(`${line} --ca relay.crt`, place, folder), new RegExp(`${sent} messages`));
        assert.equal(await arrived("mail/ann mail/bob", place), sent);
      } finally {
        await serving.end("SIGTERM");
      }
    }));
});
