/** `odmr check`: says whether a configuration is right, and what it asks for. */
// Everything that is wrong is said at once (exit 78); what works and is seldom meant goes to stderr.

import { buildCommand } from "@stricli/core";
import { directoryName } from "../src/config/acme.ts";
import type { Account, Acme, Checks, Config, Customer, Listener, Rule } from "../src/config/config.ts";
import { jsonSchema } from "../src/config/describe.ts";
import { formatEndpoint } from "../src/config/endpoint.ts";
import { ConfigError } from "../src/config/error.ts";
import { configRemarks, loadConfig } from "../src/config/load.ts";
import { formatDuration, formatSize } from "../src/config/units.ts";
import { isPostgres, shownPostgres } from "../src/spool/postgres/address.ts";
import { type Context, configFlag, helpText, switchFlag } from "./flags.ts";

interface CheckFlags {
  readonly config?: string;
  readonly json: boolean;
  readonly schema: boolean;
}

export const checkCommand = buildCommand<CheckFlags, [], Context>({
  async func({ config, json, schema }) {
    const { stdout, stderr } = this.process;
    if (schema) return void stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
    try {
      const loaded = await loadConfig(config);
      const remarks = await configRemarks(config);
      stdout.write(json ? `${JSON.stringify({ valid: true, ...loaded, remarks })}\n` : summary(loaded));
      for (const remark of remarks) stderr.write(`${remark}\n`);
    } catch (error) {
      if (json && error instanceof ConfigError)
        stdout.write(`${JSON.stringify({ valid: false, problems: error.problems })}\n`);
      throw error;
    }
  },
  parameters: {
    flags: {
      config: configFlag,
      json: switchFlag("One JSON object: the configuration as it is understood, or its problems"),
      schema: switchFlag("Print the JSON Schema of the configuration file, for editors"),
    },
  },
  docs: {
    brief: "Say whether the configuration is right, and what it asks for",
    fullDescription: helpText(
      "Reads the configuration and the files that it names, says everything that is wrong with them at once\n" +
        "(file:line:column: key: what is wrong; what to write), or sums it up. Exit status: 0 right, 78 wrong.",
      {
        "odmr check": "the configuration that odmr serve and odmr pull would take",
        "odmr check --config home.yaml": "another one",
        "odmr check --schema > odmr.schema.json": "for completion and checks in an editor",
      },
    ),
  },
});

function summary(config: Config): string {
  const rows: (readonly [string, string])[] = [
    ["hostname", config.hostname],
    ["spool", isPostgres(config.spool) ? shownPostgres(config.spool) : config.spool],
    ...(config.tls?.acme === undefined ? [] : [["tls", acmeLine(config.tls.acme)] as const]),
    ...(config.serve?.listen ?? []).map((each) => ["listen", listenerLine(each)] as const),
    ...(config.serve?.customers ?? []).map((each) => ["customer", customerLine(each)] as const),
    ...(config.serve?.checks === undefined ? [] : [["checks", checksLine(config.serve.checks)] as const]),
    ...(config.pull?.accounts ?? []).map((each) => ["account", accountLine(each)] as const),
    ...(config.admin === undefined ? [] : [["admin", `on ${formatEndpoint(config.admin.listen)}`] as const]),
  ];
  return `${config.file} is right\n${rows.map(([what, said]) => `  ${what.padEnd(8)}  ${said}\n`).join("")}`;
}

function acmeLine({ names, directory, challenge, listen, dns }: Acme): string {
  const where = listen === undefined ? `a record by ${dns?.set[0]}` : `answered on ${formatEndpoint(listen)}`;
  return `certificate for ${names.join(", ")} by ACME from ${directoryName(directory)}; proof by ${challenge}, ${where}`;
}

function listenerLine({ service, address, tls, requireTls, networks }: Listener): string {
  const from = networks.length > 0 && !("path" in address) ? [`from ${networks.join(", ")}`] : [];
  const secured = tls === "none" ? "no TLS" : requireTls ? `${tls} required` : tls;
  return [`${service} on ${formatEndpoint(address)}`, secured, ...from].join(", ");
}

function customerLine({ name, domains, hold, quota, password, scram, certificate }: Customer): string {
  const ways = Object.entries({ password, scram, certificate }).flatMap(([way, has]) => (has ? [way] : []));
  return `${name}: ${domains.join(", ")}; by ${ways.join(" or ")}; held ${formatDuration(hold)}, ${formatSize(quota)} at most`;
}

function checksLine(checks: Checks): string {
  const { at, greetingDelay, reverseName, blocklists, listed, authentication, rspamd } = checks;
  const looked = [
    ...(greetingDelay === undefined ? [] : [`greeting after ${formatDuration(greetingDelay)}`]),
    ...(reverseName === "no" ? [] : [`reverse name (${reverseName})`]),
    ...(blocklists.length === 0 ? [] : [`${blocklists.map(({ zone }) => zone).join(", ")} (${listed})`]),
    ...(authentication === undefined ? [] : [`DMARC (reject: ${authentication.dmarcReject})`]),
    ...(rspamd === undefined ? [] : [`rspamd on ${formatEndpoint(rspamd.at)}`]),
  ];
  return `at ${at.join(", ")}: ${looked.length === 0 ? "nothing" : looked.join("; ")}`;
}

function accountLine({ name, provider, tls, user, domains, deliver }: Account): string {
  const as = user === undefined ? "by certificate" : `as ${user}`;
  const rules = deliver.map((rule) => `${rule.match} → ${wayName(rule)}`).join(", ");
  return `${name}: ${formatEndpoint(provider)} (${tls}) ${as}; ${domains.join(", ")}; ${rules}`;
}

function wayName({ to = [], redirect }: Rule): string {
  return (
    redirect ??
    [to]
      .flat()
      .map(({ type }) => type)
      .join(" and ")
  );
}
