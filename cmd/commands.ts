/** The table of commands: a name, one line of help, and where the command is loaded from. */
// Only the module of a command that is asked for is loaded; of the others their one line is shown.
//
// A command's module exports a stricli command or route map by the name that is taken from it below
// (`serveCommand`, `pullCommand`, `queueRoutes`, …), built with the `Context` and the `commonFlags` of flags.ts.
// It throws what exit.ts knows, and writes its results, and nothing else, to `this.process.stdout`.

import { buildCommand, buildRouteMap, type Command, type RouteMap } from "@stricli/core";
import { type Context, helpText } from "./flags.ts";

type Target = Command<Context> | RouteMap<Context>;

interface Entry {
  readonly brief: string;
  readonly load: () => Promise<Target>;
}

const table = {
  serve: {
    brief: "Run the relay: take mail in, hold it, hand it over when its customer calls",
    load: async () => (await import("./serve.ts")).serveCommand,
  },
  pull: {
    brief: "Call the provider, fetch the mail that waits there, and deliver it here",
    load: async () => (await import("./pull.ts")).pullCommand,
  },
  queue: {
    brief: "Look at the mail that waits, and act on it",
    load: async () => (await import("./queue.ts")).queueRoutes,
  },
  sendmail: {
    brief: "Take a message on stdin from a program on this host, as sendmail does",
    load: async () => (await import("./sendmail.ts")).sendmailCommand,
  },
  "admin-http": {
    brief: "Serve the admin interface of a spool: its API, its dashboard, its metrics",
    load: async () => (await import("./admin-http.ts")).adminHttpCommand,
  },
  init: {
    brief: "Write a commented starter configuration",
    load: async () => (await import("./init.ts")).initCommand,
  },
  check: {
    brief: "Say whether the configuration is right, and what it asks for",
    load: async () => (await import("./check.ts")).checkCommand,
  },
  doctor: {
    brief: "Look at all that can go wrong, here and in DNS, and say how to mend it",
    load: async () => (await import("./doctor.ts")).doctorCommand,
  },
  certificate: {
    brief: "Show the certificate of the listeners, or order one by ACME",
    load: async () => (await import("./certificate.ts")).certificateCommand,
  },
  passwd: {
    brief: "Make a password file, or the SCRAM verifier of a password",
    load: async () => (await import("./passwd.ts")).passwdCommand,
  },
  invite: {
    brief: "On the relay: invite a host at home to be a customer",
    load: async () => (await import("./invite.ts")).inviteCommand,
  },
  join: {
    brief: "At home: take an invitation, write the configuration, and see that mail comes",
    load: async () => (await import("./join.ts")).joinCommand,
  },
  completion: {
    brief: "Print the completion script of a shell",
    load: async () => (await import("./completion.ts")).completionCommand,
  },
  man: {
    brief: "Print a manual page, or write all of them into a folder",
    load: async () => (await import("./man.ts")).manCommand,
  },
} as const satisfies Readonly<Record<string, Entry>>;

export type CommandName = keyof typeof table;

export const commandNames = Object.keys(table) as readonly CommandName[];

export const isCommand = (word: string | undefined): word is CommandName =>
  word !== undefined && Object.hasOwn(table, word);

/** One command, loaded. */
export const loadCommand = (name: CommandName): Promise<Target> => table[name].load();

/** The program's root, with only the named command loaded. */
export async function rootWith(name: CommandName | undefined): Promise<RouteMap<Context>> {
  const routes: Record<string, Target> = Object.fromEntries(
    commandNames.map((each) => [each, listed(table[each].brief)]),
  );
  if (name !== undefined) routes[name] = await loadCommand(name);
  return buildRouteMap<string, Context>({
    routes,
    docs: { brief: "On-Demand Mail Relay (RFC 2645)", fullDescription: overview },
  });
}

/** What stands for a command that is only listed. */
function listed(brief: string): Command<Context> {
  return buildCommand<Record<never, never>, [], Context>({
    func: () => {},
    parameters: {},
    docs: { brief },
  });
}

const overview = helpText(
  "On-Demand Mail Relay (RFC 2645): a mail server at home without an open port. A relay with a fixed address takes\n" +
    "the mail in and holds it (serve); the server at home calls, the line turns, and the mail comes down (pull).\n\n" +
    "Exit status (sysexits): 0 done · 1 queue: nothing matched · 64 usage · 65 bad input data · 69 peer unreachable ·\n" +
    "70 a bug · 73, 74 cannot write, or read · 75 try again later · 76 the peer broke the protocol · 77 refused: login,\n" +
    "certificate, or the file is another user's · 78 configuration, or no spool there.",
  {
    "odmr init relay --hostname relay.example.net": "on the relay: write its configuration, with comments",
    "odmr serve": "run the relay",
    "odmr invite home --domain example.org": "print the line that makes a server at home its customer",
    "odmr join": "at home: take that line, and see that mail comes",
    "odmr pull --daemon": "have the mail as it comes; odmr pull fetches it once",
    "odmr doctor": "say what is wrong: configuration, DNS, certificates, listeners, disk",
    "odmr queue list": "see what waits",
    "odmr pull --help": "all about one command",
  },
);
