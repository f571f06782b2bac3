/** From a YAML file to a Config, or to all that is wrong with it, each with its line and column. */
// Everything that reads a configuration comes through here; what it gives needs no second look.

import { access, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { problemsOf, remarksOn } from "./checks.ts";
import { type Config, complete } from "./config.ts";
import { readCustomers } from "./customers.ts";
import { ConfigError } from "./error.ts";
import { filesWrong } from "./files.ts";
import { type Problem, tell } from "./problems.ts";
import { type Settings, settingsIn } from "./schema.ts";
import { parseYaml, valuesOf } from "./yaml.ts";

/** The configuration, with every file that it names there and readable. @throws ConfigError */
export async function loadConfig(path?: string): Promise<Config> {
  const { config, told } = await readSources(path);
  const missing = await filesWrong(config);
  if (missing.length > 0) throw new ConfigError(told(missing));
  return config;
}

/** The configuration alone, for those who need none of the files that it names. @throws ConfigError */
export async function readConfig(path?: string): Promise<Config> {
  return (await readSources(path)).config;
}

/** What works and is seldom meant, one line each. */
export async function configRemarks(path?: string): Promise<readonly string[]> {
  const { settings, told } = await readSources(path);
  return told(remarksOn(settings));
}

/**
 * A configuration from its text alone, without customers in files of their own.
 * @param file where it stands: relative file names start there @throws ConfigError
 */
export function parseConfig(text: string, file: string): Config {
  const source = parseYaml(text, file);
  const settings = valuesOf(source, settingsIn(dirname(resolve(file))));
  refuse(problemsOf(settings), (problems) => tell(problems, file, source));
  return complete(settings, resolve(file));
}

/** Where a configuration is looked for, in this order. */
export function configPlaces(
  env: Readonly<Partial<Record<string, string>>> = process.env,
): readonly string[] {
  const own = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), ".config");
  return ["./odmr.yaml", join(own, "odmr", "odmr.yaml"), "/etc/odmr/odmr.yaml"];
}

/** Problems as they are told, each with its file and place. */
type Told = (problems: readonly Problem[]) => readonly string[];

interface Read {
  readonly settings: Settings;
  readonly config: Config;
  readonly told: Told;
}

/** The configuration with the customers that have files of their own. */
async function readSources(path: string | undefined): Promise<Read> {
  const name = path ?? (await firstPlace());
  const file = resolve(name);
  const source = parseYaml(await readText(name), name);
  const own = valuesOf(source, settingsIn(dirname(file)));
  const folder = complete(own, file).serve?.customersFolder;
  const further = folder === undefined ? [] : await readCustomers(folder);
  const customers = [...(own.serve?.customers ?? []), ...further.map(({ customer }) => customer)];
  const settings: Settings = own.serve === undefined ? own : { ...own, serve: { ...own.serve, customers } };
  const ownCount = customers.length - further.length;
  const told: Told = (problems) => {
    const [here, there] = [
      problems.filter(({ path }) => placeIn(path) < ownCount),
      problems.filter(({ path }) => placeIn(path) >= ownCount),
    ];
    const elsewhere = there.flatMap(({ path, ...problem }) => {
      const { source } = further[placeIn(path) - ownCount]!;
      return tell([{ ...problem, path: path.slice(CUSTOMER.length + 1) }], source.name, source);
    });
    return [...tell(here, name, source), ...elsewhere];
  };
  refuse(problemsOf(settings), told);
  return { settings, config: complete(settings, file), told };
}

const CUSTOMER = ["serve", "customers"] as const;

/** Which of the customers a path leads into; -1: it leads elsewhere. */
function placeIn([first, second, place]: Problem["path"]): number {
  return first === CUSTOMER[0] && second === CUSTOMER[1] && typeof place === "number" ? place : -1;
}

function refuse(problems: readonly Problem[], told: Told): void {
  if (problems.length > 0) throw new ConfigError(told(problems));
}

async function firstPlace(): Promise<string> {
  const places = configPlaces();
  for (const place of places) if (await isThere(place)) return place;
  throw new ConfigError(
    `no configuration: looked for ${places.join(", ")}; write one with odmr init, or name one with --config`,
  );
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "does not exist; write one with odmr init" : `cannot be read (${code})`;
    throw new ConfigError(`${file}: ${why}`, { cause });
  }
}
