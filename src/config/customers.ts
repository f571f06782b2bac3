/** Customers in files of their own: a folder with one NAME.yaml for each, written like one of serve.customers. */
// Who is put there by pairing is read, changed and removed by hand like everybody else; other files are left alone.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Customer } from "./config.ts";
import { ConfigError } from "./error.ts";
import { customerIn } from "./schema.ts";
import { parseYaml, type Source, valuesOf } from "./yaml.ts";

export interface CustomerFile {
  readonly source: Source;
  readonly customer: Customer;
}

/** In the order of their names; none if there is no such folder. @throws ConfigError */
export async function readCustomers(folder: string): Promise<readonly CustomerFile[]> {
  const names = (await namesIn(folder)).filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
  return await Promise.all(names.map((name) => readCustomer(folder, join(folder, name))));
}

/** @param folder what names of files in it start from @throws ConfigError */
export function parseCustomer(text: string, folder: string, file: string): CustomerFile {
  const source = parseYaml(text, file);
  return { source, customer: valuesOf(source, customerIn(folder), ["serve", "customers"]) };
}

async function readCustomer(folder: string, file: string): Promise<CustomerFile> {
  try {
    return parseCustomer(await readFile(file, "utf8"), folder, file);
  } catch (cause) {
    throw barred(file, cause);
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw barred(folder, cause);
  }
}

function barred(file: string, cause: unknown): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  return code === undefined
    ? cause
    : new ConfigError(`${file}: cannot be read (${code}); chown or chmod it`, { cause });
}
