/** `odmr queue`: the mail that waits, for operators and their scripts. */
import { buildRouteMap } from "@stricli/core";
import { type Context, helpText } from "./flags.ts";
import { actCommand, moveCommand } from "./queue/act.ts";
import { addCommand, importCommand } from "./queue/add.ts";
import { exportCommand } from "./queue/export.ts";
import {
  catCommand,
  countCommand,
  historyCommand,
  listCommand,
  showCommand,
  statsCommand,
} from "./queue/look.ts";
import { migrateCommand } from "./queue/migrate.ts";
import { ruleRoutes } from "./queue/rule.ts";
import { verifyCommand } from "./queue/verify.ts";

export const queueRoutes = buildRouteMap<string, Context>({
  routes: {
    list: listCommand,
    show: showCommand,
    cat: catCommand,
    count: countCommand,
    stats: statsCommand,
    history: historyCommand,
    hold: actCommand("hold"),
    release: actCommand("release"),
    retry: actCommand("retry"),
    remove: actCommand("remove"),
    bounce: actCommand("bounce"),
    move: moveCommand,
    add: addCommand,
    import: importCommand,
    export: exportCommand,
    rule: ruleRoutes,
    verify: verifyCommand,
    migrate: migrateCommand,
  },
  docs: {
    brief: "Look at the mail that waits, and act on it",
    fullDescription: helpText(
      "Works while odmr serve runs and while it does not. What is chosen by ids and filters must fit all of them;\n" +
        "an action on everything wants --all. From afar: --url and --token-file name an admin interface.\n" +
        "Exit status: 0 done · 1 nothing matched · 64 usage · 65 bad input, or damage in the spool · 69 no admin interface\n" +
        "there · 75 try again later · 77 refused: token, or the spool is another user's · 78 configuration, or no spool.",
      {
        "odmr queue list": "what waits",
        "odmr queue list --json | jq -r .id | odmr queue hold -": "ids from one command to another",
        "odmr queue remove --older-than 20d --dry-run": "what would go",
      },
    ),
  },
});
