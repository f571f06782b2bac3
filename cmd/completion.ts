/** `odmr completion SHELL`: the completion script of a shell, made from the command table. */
// The script is static: nothing of odmr runs while a user presses the tab key.

import { buildCommand, type Command, type RouteMap } from "@stricli/core";
import { commandNames, loadCommand } from "./commands.ts";
import { type Context, helpText } from "./flags.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

export const completionCommand = buildCommand<Record<never, never>, [shell: Shell], Context>({
  async func(_flags, shell) {
    const commands = await Promise.all(
      commandNames.map(async (name) => [name, await loadCommand(name)] as const),
    );
    this.process.stdout.write(scripts[shell](placesOf(commands)));
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: shellOf, brief: "The shell", placeholder: shells.join("|") }],
    },
  },
  docs: {
    brief: "Print the completion script of a shell",
    fullDescription: helpText("Prints a script that completes commands, options and their values.", {
      "source <(odmr completion bash)": "in ~/.bashrc",
      "source <(odmr completion zsh)": "in ~/.zshrc, after compinit",
      "odmr completion fish > ~/.config/fish/completions/odmr.fish": "once",
    }),
  },
});

function shellOf(word: string): Shell {
  return shells.find((shell) => shell === word) ?? unknownShell(word);
}

function unknownShell(word: string): never {
  throw new Error(`"${word}" is none of ${shells.join(", ")}`);
}

interface Word {
  readonly word: string;
  readonly brief: string;
  /** An option's values, where they are few; empty: any value, such as a file. */
  readonly values?: readonly string[];
}

/** What may follow after some commands: `path` is "", "queue", "queue list". */
interface Place {
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly Word[];
}

type Target = Command<Context> | RouteMap<Context>;
type Named = readonly (readonly [name: string, target: Target])[];

function placesOf(commands: Named): readonly Place[] {
  const root = {
    path: "",
    commands: commands.map(wordOf),
    options: [help, { word: "--version", brief: "Show the version" }],
  };
  return [root, ...commands.flatMap(([name, target]) => below(name, target))];
}

const help: Word = { word: "--help", brief: "Show this help" };
const wordOf = ([word, { brief }]: Named[number]): Word => ({ word, brief });

function below(path: string, target: Target): readonly Place[] {
  if ("parameters" in target) return [{ path, commands: [], options: [...optionsOf(target), help] }];
  const inner: Named = target
    .getAllEntries()
    .filter(({ hidden }) => !hidden)
    .map((entry) => [entry.name["convert-camel-to-kebab"], entry.target]);
  const place = { path, commands: inner.map(wordOf), options: [help] };
  return [place, ...inner.flatMap(([name, each]) => below(`${path} ${name}`, each))];
}

function optionsOf({ parameters }: Command<Context>): readonly Word[] {
  return Object.entries(parameters.flags ?? {}).map(([name, flag]) => ({
    word: `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    brief: flag.brief,
    ...(flag.kind === "enum" ? { values: flag.values } : flag.kind === "parsed" ? { values: [] } : {}),
  }));
}

const scripts: Readonly<Record<Shell, (places: readonly Place[]) => string>> = {
  bash: (places) => `${walk("bash")}
_odmr() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" path words
  path="$(_odmr_path "\${COMP_WORDS[@]:1:COMP_CWORD-1}")"
  case "$path \${COMP_WORDS[COMP_CWORD-1]}" in
${valueCases(places)}
    *) case "$path" in
${wordCases(places)}
    esac ;;
  esac
  COMPREPLY=( $(compgen -W "$words" -- "$cur") )
}
${walkCases(places)}
complete -o default -F _odmr odmr
`,
  zsh: (places) => `#compdef odmr
${walk("zsh")}
_odmr() {
  local path_ words_
  path_="$(_odmr_path "\${(@)words[2,CURRENT-1]}")"
  case "$path_ \${words[CURRENT-1]}" in
${valueCases(places).replaceAll("words=", "words_=")}
    *) case "$path_" in
${wordCases(places).replaceAll("words=", "words_=")}
    esac ;;
  esac
  compadd -- \${=words_} || _files
}
${walkCases(places)}
compdef _odmr odmr
`,
  fish: (places) => `complete -c odmr -f\n${places.flatMap(fishLines).join("\n")}\n`,
};

const walk = (shell: string): string => `# ${shell} completion of odmr; made by: odmr completion ${shell}`;

/** A function that keeps of the words before the cursor those that are commands: their place. */
const walkCases = (places: readonly Place[]): string => `_odmr_path() {
  local place="" word
  for word in "$@"; do
    case "$place/$word" in
      ${places
        .filter(({ path }) => path !== "")
        .map(step)
        .join(" | ")}) place="\${place:+$place }$word" ;;
    esac
  done
  printf '%s' "$place"
}`;

function step({ path }: Place): string {
  const words = path.split(" ");
  return `"${words.slice(0, -1).join(" ")}/${words.at(-1)}"`;
}

const wordCases = (places: readonly Place[]): string =>
  places
    .map(({ path, commands, options }) => {
      const words = [...commands, ...options].map(({ word }) => word).join(" ");
      return `      "${path}") words="${words}" ;;`;
    })
    .join("\n");

const valueCases = (places: readonly Place[]): string =>
  places
    .flatMap(({ path, options }) =>
      options.flatMap(({ word, values }) =>
        values === undefined ? [] : [`    "${path} ${word}") words="${values.join(" ")}" ;;`],
      ),
    )
    .join("\n");

function fishLines({ path, commands, options }: Place): readonly string[] {
  const at = fishCondition(path, commands);
  const quoted = (text: string): string => `'${text.replace(/['\\]/g, "\\$&")}'`;
  return [
    ...commands.map(({ word, brief }) => `complete -c odmr -n ${at} -a ${word} -d ${quoted(brief)}`),
    ...options.map(
      ({ word, brief, values }) =>
        `complete -c odmr -n ${at} -l ${word.slice(2)} -d ${quoted(brief)}${fishValues(values)}`,
    ),
  ];
}

/** Without values a switch; with none in particular a file. */
function fishValues(values: readonly string[] | undefined): string {
  if (values === undefined) return "";
  return values.length > 0 ? ` -x -a '${values.join(" ")}'` : " -r -F";
}

/** True where the words of the path were given and none of the commands below it. */
function fishCondition(path: string, commands: readonly Word[]): string {
  const seen = path.split(" ").filter((word) => word !== "");
  const given = seen.map((word) => `__fish_seen_subcommand_from ${word}`);
  const notYet =
    commands.length > 0
      ? [`not __fish_seen_subcommand_from ${commands.map(({ word }) => word).join(" ")}`]
      : [];
  return `'${[...given, ...notYet].join("; and ")}'`;
}
