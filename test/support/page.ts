/** A page of dist/docs as its reader follows it: its blocks, and a scratch world in which they are run as they stand. */
// A fence names the host that its block is for (```sh relay, ```yaml home); ports, hosts and folders alone are put in.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { controlOf } from "../../cmd/account.ts";
import type { Child } from "../../cmd/demo/child.ts";
import { loadConfig, parseConfig } from "../../src/config/load.ts";
import { eventually, freePort, run } from "./processes.ts";
import { inWorld, programs, type World } from "./program.ts";

export interface Block {
  readonly language: string;
  /** What the fence says behind the language: a host, what a file is called, or nothing. */
  readonly of: string;
  readonly text: string;
  /** Where it begins, for whoever has to mend the page. */
  readonly at: string;
}

/** The fenced blocks of a page, in their order. */
export function blocksOf(page: string): readonly Block[] {
  const text = readFileSync(new URL(`../../dist/docs/${page}.md`, import.meta.url), "utf8");
  return [...text.matchAll(/^```(\w*) ?(.*)\n((?:(?!```).*\n)*)```$/gm)].map((found) => {
    const [, language = "", of = "", block = ""] = found;
    return { language, of, text: block, at: `${page}.md:${text.slice(0, found.index).split("\n").length}` };
  });
}

/** The block of a page with this language and name. */
export function blockOf(page: string, language: string, of = ""): Block {
  const found = blocksOf(page).filter((block) => block.language === language && block.of === of);
  assert.equal(found.length, 1, `${page}.md has one block "${language} ${of}"`);
  return found[0]!;
}

/** Lines of a main.cf. */
export function postfixSettings({ text }: Block): Readonly<Record<string, string>> {
  return Object.fromEntries([...text.matchAll(/^(\w+) =[ ]?(.*)$/gm)].map(([, key, value]) => [key, value]));
}

type Part = Readonly<Record<string, unknown>>;

/** A part laid over a whole, key by key; the first of a list of things with names keeps what the part does not say. */
export function joined(whole: unknown, part: unknown): unknown {
  if (part === undefined) return whole;
  if (Array.isArray(whole) && Array.isArray(part) && part.some((each) => isPart(each) && "name" in each))
    return [joined(whole[0], part[0]), ...part.slice(1)];
  if (!isPart(whole) || !isPart(part)) return part;
  const keys = new Set([...Object.keys(whole), ...Object.keys(part)]);
  return Object.fromEntries([...keys].map((key) => [key, joined(whole[key], part[key])]));
}

const isPart = (value: unknown): value is Part =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A whole configuration stands for its host until the next one; a part is read as what it changes in it. */
export class Configurations {
  readonly #wholes = new Map<string, unknown>();

  /** @throws if what comes of it is no configuration */
  read({ of, text, at }: Block): string {
    const part = parse(text) as Part;
    if ("hostname" in part) this.#wholes.set(of, part);
    assert.ok(this.#wholes.has(of), `${at}: a part of a configuration, before a whole one for "${of}"`);
    const whole = stringify(joined(this.#wholes.get(of), part));
    parseConfig(whole, "/etc/odmr/odmr.yaml");
    return whole;
  }
}

const HOSTS = ["relay", "home", "world"];
const FOLDERS = ["etc/odmr", "var/lib/odmr", "var/mail", "run"];

/** The binary, where it was built: it starts the sooner. */
const program = programs.at(-1)!.words;

/** Commands that want root, a user of the system or systemd: they say whether they are used as they can be. */
const STAND_INS = {
  // That no entry fits (status 1) is an answer.
  odmr: `${program.map((word) => `'${word}'`).join(" ")} "$@" || { status=$?; [ "$1 $status" = "queue 1" ] || exit $status; }`,
  chown: '[ "$1" != -R ] || shift; [ "$1" = odmr: ] && shift && ls -d "$@" >/dev/null',
  install: '[ "$1 $2 $3 $4 $5" = "-d -o odmr -g odmr" ] && mkdir -p "$6"',
  runuser: '[ "$1 $2 $3" = "-u odmr --" ] && shift 3 && exec "$@"',
};

/** Three machines in one folder: the relay, the house, and somebody in the world. */
export class Walk {
  readonly #world: World;
  readonly #configurations = new Configurations();
  readonly #ports = new Map<string, Promise<number>>();
  readonly #units = new Map<string, Child>();
  /** Whose configuration was written, and has not been read with its files. */
  readonly #written = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Gives the three of them to a test, and removes them afterwards. */
  static here(use: (walk: Walk) => Promise<void>): Promise<void> {
    return inWorld(program, async (world) => {
      for (const host of HOSTS)
        for (const folder of FOLDERS) await mkdir(world.at(join(host, folder)), { recursive: true });
      await mkdir(world.at("bin"));
      for (const [name, script] of Object.entries(STAND_INS))
        await writeFile(world.at(join("bin", name)), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      await use(new Walk(world));
    });
  }

  /** Where this path of the host is. */
  at(host: string, path: string): string {
    return this.#world.at(join(host, path));
  }

  /** Writes a configuration, or runs commands. @returns what they printed */
  async follow(block: Block, stdin = ""): Promise<string> {
    if (block.language === "yaml") {
      await this.settled();
      const file = this.at(block.of, "etc/odmr/odmr.yaml");
      await writeFile(file, await this.#here(this.#configurations.read(block), block.of));
      this.#written.set(file, block.at);
    }
    return block.language === "sh" ? await this.#commands(block, stdin) : "";
  }

  /** Puts the configuration that a command has written onto this computer. */
  async placed(host: string): Promise<void> {
    const file = this.at(host, "etc/odmr/odmr.yaml");
    await writeFile(file, await this.#here(await readFile(file, "utf8"), host));
  }

  /** What was written last is right, with all files that it names. */
  async settled(): Promise<void> {
    for (const [file, at] of this.#written)
      await loadConfig(file).catch((cause) => assert.fail(`${at}: ${cause}`));
    this.#written.clear();
  }

  async #commands({ of, text, at }: Block, stdin: string): Promise<string> {
    assert.ok(HOSTS.includes(of), `${at}: on which host?`);
    let printed = "";
    for (const piece of text.split(/^(systemctl .*)\n/m).filter((each) => each !== "")) {
      if (piece.startsWith("systemctl ")) await this.#systemctl(piece, of);
      else printed += await this.#shell(await this.#here(piece, of), { of, at, stdin });
    }
    return printed;
  }

  async #shell(
    text: string,
    { of, at, stdin }: { readonly of: string; readonly at: string; readonly stdin: string },
  ): Promise<string> {
    const env = {
      PATH: `${this.#world.at("bin")}:${process.env.PATH}`,
      HOME: this.#world.folder,
      XDG_CONFIG_HOME: this.#world.at("config"),
    };
    const cwd = this.at(of, "etc/odmr");
    const { status, stdout, stderr } = await run("bash", ["-euo", "pipefail", "-c", text], {
      cwd,
      env,
      stdin,
    });
    assert.equal(status, 0, `${at}:\n${text}${stdout}${stderr}`);
    return stdout;
  }

  /** What the unit of that name runs, run here. */
  async #systemctl(line: string, host: string): Promise<void> {
    const [, verb, unit = ""] =
      /^systemctl (enable --now|start|stop|restart|reload) ([\w-]+)$/.exec(line) ?? [];
    const config = this.at(host, "etc/odmr/odmr.yaml");
    const running = this.#units.get(unit);
    if (verb === "reload") {
      await loadConfig(config);
      process.kill(running!.pid, "SIGHUP");
      return void (await running!.heard((said) => (said.includes('"event":"reloaded"') ? true : undefined)));
    }
    if (verb === "stop" || verb === "restart") await running!.end("SIGTERM");
    if (verb === "stop") return void this.#units.delete(unit);
    this.#units.set(unit, await this.#start(unit, config));
  }

  async #start(unit: string, config: string): Promise<Child> {
    if (unit === "odmr") {
      const doors = (await loadConfig(config)).serve?.listen.length ?? 0;
      return await this.#world.serve(config, { doors });
    }
    assert.equal(unit, "odmr-pull");
    const child = this.#world.start(["pull", "--daemon", "--log", "json", "--config", config]);
    // It says nothing before its first mail; who wakes it needs its control socket.
    const control = controlOf((await loadConfig(config)).spool, {});
    await eventually(
      () => existsSync(control),
      () => `${unit} is to run`,
    );
    return child;
  }

  /** The text with places of this computer: what each host has at a port is at a free one of ours. */
  async #here(text: string, host: string): Promise<string> {
    const placed = text
      .replaceAll(/(?<![\w/])\/(etc\/odmr|var\/lib|var\/mail|run)\b/g, (_, path) => this.at(host, path))
      .replaceAll("--server relay.example.net", "--server 127.0.0.1 --port :25:relay:")
      .replaceAll(
        /(?<!hostname:? "?)relay\.example\.net(?::(\d+))?/g,
        (_, port = "366") => `localhost::${port}:relay:`,
      )
      .replaceAll(/\b(?:0\.0\.0\.0|127\.0\.0\.1):(\d+)\b/g, (_, port) => `127.0.0.1::${port}:${host}:`);
    const pieces = placed.split(/:(\d+:(?:relay|home)):/);
    return (await Promise.all(pieces.map((piece, i) => (i % 2 === 0 ? piece : this.#port(piece))))).join("");
  }

  /** @param place `25:relay` */
  #port(place: string): Promise<number> {
    const port = this.#ports.get(place) ?? freePort();
    this.#ports.set(place, port);
    return port;
  }
}
