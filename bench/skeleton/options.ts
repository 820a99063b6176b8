import { parseArgs } from "node:util";
import { UsageError } from "./usage-error.ts";

type Default = string | number | boolean | readonly string[] | readonly number[];

/**
 * One option of a benchmark. Its default says what it takes: a text, a number, a list of either,
 * separated by commas (or by semicolons, if one of its items has a comma), or nothing for `false`.
 * An option without a default takes a text and may be left out.
 */
export interface Option {
  readonly help: string;
  readonly default?: Default;
}

export type Options = Readonly<Record<string, Option>>;

type Widened<D> = D extends boolean
  ? boolean
  : D extends number
    ? number
    : D extends string
      ? string
      : D extends readonly number[]
        ? readonly number[]
        : readonly string[];

/** What the options of a benchmark were given as. */
export type Values<O extends Options> = {
  readonly [Name in keyof O]: O[Name] extends { readonly default: infer D } ? Widened<D> : string | undefined;
};

const separatorOf = (items: readonly (string | number)[]): string =>
  items.some((item) => String(item).includes(",")) ? ";" : ",";

const print = (value: Default): string =>
  Array.isArray(value) ? value.join(separatorOf(value as readonly (string | number)[])) : String(value);

/** Reads the arguments of one run. Throws what is wrong with them. */
export function readOptions<O extends Options>(options: O, args: readonly string[]): Values<O> {
  const values = parse(options, args);
  const entries = Object.entries(options).map(([name, option]) => [name, read(name, values[name], option.default)]);
  return Object.fromEntries(entries) as Values<O>;
}

function parse(options: Options, args: readonly string[]) {
  const types = Object.fromEntries(
    Object.entries(options).map(([name, option]) => [
      name,
      { type: option.default === false ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  try {
    return parseArgs({ args: [...args], options: types }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function read(name: string, given: string | boolean | undefined, standard: Default | undefined): Default | undefined {
  if (given === undefined || typeof given === "boolean") return given ?? standard;
  if (typeof standard === "number") return readNumber(name, given);
  if (!Array.isArray(standard)) return given;
  const items = given.split(separatorOf(standard as readonly (string | number)[]));
  return typeof standard[0] === "number" ? items.map((item) => readNumber(name, item)) : items;
}

function readNumber(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new UsageError(`--${name} takes a number, not "${text}"`);
  return value;
}

/** The lines of `--help`, one for each option. */
export const printOptions = (options: Options): string =>
  Object.entries(options)
    .map(([name, option]) => {
      const standard = option.default === undefined || option.default === false ? "" : ` (${print(option.default)})`;
      return `  --${name.padEnd(12)} ${option.help}${standard}`;
    })
    .join("\n");
