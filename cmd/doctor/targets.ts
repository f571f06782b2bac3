/** Checks of where mail is delivered at home: servers are greeted, folders and programs looked at. Nothing is made. */
// A Maildir that is not there yet is made by its first message, where its folder lets that be.
import { dirname } from "node:path";
import { targetsOf } from "../../src/config/config.ts";
import { formatTarget, type Target } from "../../src/config/target.ts";
import { commandProblem } from "../../src/delivery/command.ts";
import { baseOf } from "../../src/delivery/local.ts";
import { Talk } from "../../src/net/talk.ts";
import { isPositive, replyLine } from "../../src/wire/reply.ts";
import { status } from "../exit.ts";
import { type Check, fail, ok, row, type Verdict, warn } from "./check.ts";
import { nearestFolder } from "./files.ts";
import { accountsOf, type Patient } from "./patient.ts";

const MINUTE = 60_000;
const STEP = 10_000;

export const targetChecks: readonly Check[] = [
  row({
    check: "target",
    group: "targets",
    exit: status.unavailable,
    within: MINUTE,
    subjects: targetsIn,
    name: formatTarget,
    look: targetVerdict,
  }),
];

function targetsIn(patient: Patient): readonly Target[] {
  const all = accountsOf(patient).flatMap(({ deliver }) => deliver.flatMap(targetsOf));
  return [...new Map(all.map((target) => [formatTarget(target), target])).values()];
}

async function targetVerdict(target: Target, patient: Patient): Promise<Verdict> {
  switch (target.type) {
    case "maildir":
      return folderVerdict(baseOf(target.path), patient);
    case "mbox":
      return folderVerdict(
        dirname(`${baseOf(target.path)}${target.path.includes("{") ? "/." : ""}`),
        patient,
      );
    case "command": {
      const problem = await commandProblem(target.argv);
      return problem === undefined
        ? ok("it can be run")
        : fail(problem, "install it, or name it by its full path");
    }
    case "discard":
      return warn("mail is thrown away", "leave it if it is meant so");
    case "smtp":
    case "lmtp":
      return serverVerdict(target, patient);
    default:
      return target satisfies never;
  }
}

async function folderVerdict(folder: string, { disk }: Patient): Promise<Verdict> {
  const found = await disk.mode(folder);
  if (found !== undefined && !found.folder) return fail(`${folder} is no folder`, "name another");
  const there = await nearestFolder(folder);
  if (!(await disk.writable(there)))
    return fail(
      `${there} cannot be written to by this user`,
      "chown it to whoever runs odmr pull, or run this as that user",
    );
  return ok(there === folder ? "it can be written to" : `it is made with the first message, in ${there}`);
}

type Server = Extract<Target, { type: "smtp" | "lmtp" }>;

/** The greeting, our name, NOOP, and goodbye. @throws ConnectionError, LineError */
async function serverVerdict({ type, at }: Server, { dial, config }: Patient): Promise<Verdict> {
  const talk = new Talk(await dial(at, STEP), type === "lmtp" ? "LMTP" : "SMTP");
  try {
    const greeting = await talk.greeting(STEP);
    if (!isPositive(greeting)) return fail(`it does not take calls: ${replyLine(greeting)}`, "see its log");
    for (const command of [
      { verb: type === "lmtp" ? "LHLO" : "EHLO", name: config.hostname },
      { verb: "NOOP", argument: "" },
    ] as const) {
      const answer = await talk.ask(command, STEP);
      if (!isPositive(answer)) return fail(`to ${command.verb} it says ${replyLine(answer)}`, "see its log");
    }
    return ok("it answers");
  } finally {
    await talk.close();
  }
}
