import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig, readConfig } from "../../src/config/load.ts";
import { inFolder } from "../support/cli.ts";

const PIN = `sha256:${"ab".repeat(32)}`;
const relay = (more = "") => `hostname: relay.example.net
spool: spool.db
serve:
  listen: [{ service: odmr, address: "127.0.0.1:0" }]
${more}  customers:
    - { name: home, domains: [example.org], certificate: "${PIN}" }
`;
const paired = (name: string, domain: string, more = "") =>
  `name: ${name}\ndomains: [${domain}]\ncertificate: "${PIN}"\n${more}`;

/** A relay's configuration with these files in the folder of its customers. */
const withFiles = (
  files: Readonly<Record<string, string>>,
  use: (config: string, folder: string) => Promise<void>,
  { folder = "spool.db.customers", more = "" } = {},
) =>
  inFolder(async (place) => {
    const customers = join(place, folder);
    await mkdir(customers);
    await writeFile(join(place, "odmr.yaml"), relay(more));
    for (const [name, text] of Object.entries(files)) await writeFile(join(customers, name), text);
    await use(join(place, "odmr.yaml"), customers);
  });

const namesIn = async (config: string) =>
  (await loadConfig(config)).serve?.customers.map(({ name, domains }) => [name, ...domains]);

test("customers in files of their own come after those of the configuration, in the order of their files", () =>
  withFiles(
    {
      "zoo.yaml": paired("zoo", "zoo.example"),
      "office.yml": paired("office", "office.example"),
      "home.invitation": "no customer",
      ".draft.yaml": "no customer",
      README: "no customer",
    },
    async (config) =>
      assert.deepEqual(await namesIn(config), [
        ["home", "example.org"],
        ["office", "office.example"],
        ["zoo", "zoo.example"],
      ]),
  ));

test("their folder may be another one, and need not be there", async () => {
  await withFiles(
    { "office.yaml": paired("office", "office.example") },
    async (config) => assert.equal((await namesIn(config))?.length, 2),
    { folder: "others", more: "  customersFolder: others\n" },
  );
  await withFiles({}, async (config) => assert.equal((await namesIn(config))?.length, 1), {
    folder: "others",
  });
});

test("they have the defaults of all customers, and files that are named from their folder", () =>
  withFiles(
    { "office.yaml": "name: office\ndomains: [office.example]\npassword: { file: office.secret }\n" },
    async (config, folder) => {
      const { password, quota, recipients } = (await readConfig(config)).serve!.customers[1]!;
      assert.deepEqual(
        { password, quota, recipients },
        { password: { file: join(folder, "office.secret") }, quota: 2 * 1024 ** 3, recipients: "any" },
      );
      await assert.rejects(loadConfig(config), {
        message: `${join(folder, "office.yaml")}:3:19: password.file: ${join(folder, "office.secret")} does not exist; make it, or name another`,
      });
    },
  ));

test("what is wrong in them is told with their own name, line and column", async () => {
  const wrong: Readonly<Record<string, readonly [text: string, message: string]>> = {
    "a misspelt key": [
      paired("office", "office.example", "qota: 1GiB\n"),
      ":4:1: qota: this is no key here; did you mean quota?",
    ],
    "what is missing": [
      "domains: [office.example]\n",
      ":1:1: name: it is missing; write it. The customer's name, and the user it authenticates as.",
    ],
    "no YAML": ["name: [\n", ":2:1: this is no YAML: "],
    "somebody else's domain": [
      paired("office", "example.org"),
      ":2:11: domains[0]: example.org is in customer 1 too; a domain has one customer, take one out",
    ],
    "somebody else's name": [
      paired("home", "office.example"),
      ":1:7: name: two customers are called home; write another name",
    ],
  };
  for (const [what, [text, message]] of Object.entries(wrong))
    await withFiles({ "office.yaml": text }, async (config, folder) => {
      await assert.rejects(readConfig(config), (error: Error) => {
        assert.ok(
          error.message.startsWith(join(folder, "office.yaml") + message),
          `${what}: ${error.message}`,
        );
        return true;
      });
    });
});
