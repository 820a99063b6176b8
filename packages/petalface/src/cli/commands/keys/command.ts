import { stat } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import { PetalfaceError } from "../../../errors.ts";
import { printPath } from "../../../images/index.ts";
import { makeKey, readKeys, type Scope, type StoredKey, scopes, writeKeys } from "../../../server/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { parseInteger } from "../../options.ts";
import { plainTable } from "../../table.ts";

interface AddFlags {
  readonly scopes: readonly Scope[];
  readonly name?: string;
  readonly expires?: string;
  readonly rate?: number;
}

/** `petalface keys add|list|revoke FILE`. */
export function keysCommand(program: Command, context: CliContext): void {
  const command = program
    .command("keys")
    .description("make, list and revoke the keys that clients of `petalface serve` send");
  command
    .command("add")
    .description("make a key and print it: it is shown this once, the file keeps a hash")
    .argument("<file>", "file of keys; made where there is none")
    .requiredOption("--scopes <list>", `what the key may do: ${scopes.join(", ")}`, parseScopes)
    .option("--name <text>", "whose key it is, for the list")
    .option("--expires <date>", "day or time from which on it is refused, such as 2030-01-31", parseDate)
    .option("--rate <n>", "most requests in a minute", parseInteger("--rate", 1, 100_000_000))
    .action((file: string, flags: AddFlags) => add(file, flags, context));
  command
    .command("list")
    .description("list the keys of a file")
    .argument("<file>", "file of keys")
    .action((file: string) => list(file, context));
  command
    .command("revoke")
    .description("delete a key; a running server refuses it within a second")
    .argument("<file>", "file of keys")
    .argument("<id>", "as `keys list` shows it")
    .action((file: string, id: string) => revoke(file, id, context));
  withExamples(
    command,
    "keys add keys.json --scopes search,enrol --name door",
    "keys list keys.json",
    "keys revoke keys.json 0123456789ab",
  );
}

function parseScopes(text: string): readonly Scope[] {
  const named = text.split(",").map((part) => part.trim());
  const known = scopes.filter((scope) => named.includes(scope));
  if (known.length !== new Set(named).size) throw new InvalidArgumentError(`scopes are ${scopes.join(", ")}.`);
  return known;
}

function parseDate(text: string): string {
  const time = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(time))
    throw new InvalidArgumentError("not a date like 2030-01-31.");
  return new Date(time).toISOString();
}

async function add(file: string, flags: AddFlags, context: CliContext): Promise<void> {
  const { name = "", expires = null, rate = null } = flags;
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  const keys = isThere ? await readKeys(file) : [];
  const { key, stored } = await makeKey({ name, scopes: flags.scopes, expires, rate });
  await writeKeys(file, [...keys, stored]);
  context.note("the key is shown this once; clients send it in the header x-api-key");
  context.result({ file, key, ...shown(stored) }, key, true);
}

async function list(file: string, context: CliContext): Promise<void> {
  const keys = await readKeys(file);
  const rows = keys.map(({ id, name, scopes: may, created, expires, rate }) => [
    ...[
      id,
      name,
      may.join(","),
      created.slice(0, 10),
      expires?.slice(0, 10) ?? "never",
      rate === null ? "" : String(rate),
    ],
  ]);
  context.result(
    { file, keys: keys.map(shown) },
    keys.length === 0
      ? `${printPath(file)} holds no keys`
      : plainTable([["ID", "NAME", "SCOPES", "MADE", "EXPIRES", "PER MINUTE"], ...rows], [5]),
  );
}

async function revoke(file: string, id: string, context: CliContext): Promise<void> {
  const keys = await readKeys(file);
  const left = keys.filter((key) => key.id !== id);
  if (left.length === keys.length)
    throw new PetalfaceError(
      "PETAL_KEYS_INVALID",
      `${printPath(file)} has no key ${JSON.stringify(id)}; petalface keys list names all`,
    );
  await writeKeys(file, left);
  context.result({ file, revoked: id }, `${id} is deleted`);
}

/** What may be shown of a key. */
const shown = ({ id, name, scopes: may, created, expires, rate }: StoredKey) => ({
  id,
  name,
  scopes: may,
  created,
  expires,
  rate,
});
