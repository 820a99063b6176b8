/**
 * The groups of options, in the order in which help and documentation list them, each with its
 * heading.
 */
export const groups = {
  adapter: "Adapter",
  alpha: "Quality and alpha",
  loss: "Loss",
  optimiser: "Optimiser",
  data: "Training faces",
  run: "Run",
} as const;

/** Name of a group of options. */
export type GroupName = keyof typeof groups;

/**
 * What the presets have instead of the default, which is the preset `petal`'s; and what else there
 * is to say of an option.
 */
export interface OptionExtras<T> {
  readonly paper?: T;
  readonly reference?: T;
  /**
   * What `reference` has for these families of networks: the released code trains each in its own
   * way.
   */
  readonly vit?: T;
  readonly iresnet?: T;
  /** For help and documentation, where the default depends on other options. */
  readonly defaultText?: string;
  /** Option that cannot be given together with this one. */
  readonly conflicts?: string;
  /** One of the dozen options that people need first. */
  readonly main?: true;
}

/** One option of training, without its group. */
export interface OptionSpec<T> {
  /** As commander writes it: `--rank <n>`, `--nesterov`, `--no-flip`. */
  readonly flag: string;
  readonly help: string;
  readonly default: T;
  readonly extras: OptionExtras<T>;
  /** The allowed values, for people. */
  readonly range: string;
  /** The allowed values, where they are a few words. */
  readonly choices?: readonly string[];
  /** What is wrong with a value, to follow the name of its flag; undefined if nothing is. */
  check(value: unknown): string | undefined;
  /**
   * The value that a text of the command line stands for; not checked. Absent for switches, which
   * take no text.
   */
  read?(text: string): unknown;
}

type Range = readonly [low: number, high: number];

const numberOf = (text: string): number => (text.trim() === "" ? Number.NaN : Number(text));
const numbersOf = (text: string): number[] => text.split(",").map(numberOf);
const isNumber = (value: unknown): value is number => typeof value === "number";
const areNumbers = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isNumber);

type OneNumber = (
  flag: string,
  range: Range,
  standard: number,
  help: string,
  extras?: OptionExtras<number>,
) => OptionSpec<number>;

const numberWhere =
  (what: string, fits: (value: number) => boolean): OneNumber =>
  (flag, [low, high], standard, help, extras = {}) => {
    const range = `${what} from ${low} to ${high}`;
    const check = (value: unknown): string | undefined =>
      isNumber(value) && fits(value) && value >= low && value <= high ? undefined : `is ${range}, not ${value}`;
    return { flag, help, default: standard, extras, range, check, read: numberOf };
  };

/** A number in a range, ends included. */
export const number = numberWhere("a number", () => true);

/** A whole number in a range, ends included. */
export const whole = numberWhere("a whole number", Number.isInteger);

/** A finite number of any size, or none. */
export function optionalNumber(flag: string, help: string): OptionSpec<number | undefined> {
  const check = (value: unknown): string | undefined =>
    value === undefined || Number.isFinite(value) ? undefined : `${value} is not finite`;
  return { flag, help, default: undefined, extras: {}, range: "a number", check, read: numberOf };
}

/** A number above 0. */
export function positive(flag: string, standard: number, help: string): OptionSpec<number> {
  const range = "a number above 0";
  const check = (value: unknown): string | undefined =>
    typeof value === "number" && Number.isFinite(value) && value > 0 ? undefined : `is ${range}, not ${value}`;
  return { flag, help, default: standard, extras: {}, range, check, read: numberOf };
}

/** One of a few words. */
export function choice<const Names extends readonly string[]>(
  flag: string,
  choices: Names,
  standard: NoInfer<Names[number]>,
  help: string,
  extras: OptionExtras<NoInfer<Names[number]>> = {},
): OptionSpec<Names[number]> {
  const check = (value: unknown): string | undefined =>
    choices.some((name) => name === value) ? undefined : `is one of ${choices.join(", ")}, not "${value}"`;
  const range = `one of ${choices.join(", ")}`;
  return { flag, help, default: standard, extras, range, choices, check, read: (text) => text };
}

/** Yes or no. A flag `--no-NAME` says no. */
export function toggle(
  flag: string,
  standard: boolean,
  help: string,
  extras: OptionExtras<boolean> = {},
): OptionSpec<boolean> {
  const check = (value: unknown): string | undefined =>
    typeof value === "boolean" ? undefined : `is true or false, not ${value}`;
  return { flag, help, default: standard, extras, range: "yes or no", check };
}

/** A text. `judge` may say what is wrong with one; what it throws reaches the user. */
export function text(
  flag: string,
  standard: string,
  help: string,
  extras: OptionExtras<string> & { readonly judge?: (value: string) => void } = {},
): OptionSpec<string> {
  const check = (value: unknown): string | undefined => {
    if (typeof value !== "string") return `is a text, not ${value}`;
    extras.judge?.(value);
    return undefined;
  };
  return { flag, help, default: standard, extras, range: "a text", check, read: (given) => given };
}

/** Two rising numbers, both in a range. */
export function rising(
  flag: string,
  [low, high]: Range,
  standard: readonly number[],
  help: string,
): OptionSpec<readonly number[]> {
  const range = `two rising numbers LOW,HIGH from ${low} to ${high}`;
  const check = (value: unknown): string | undefined => {
    const [from = Number.NaN, to = Number.NaN, ...more] = areNumbers(value) ? value : [];
    return from >= low && from < to && to <= high && more.length === 0 ? undefined : `is ${range}, not ${value}`;
  };
  return { flag, help, default: standard, extras: {}, range, check, read: numbersOf };
}

/** One whole number or several, each in a range. */
export function wholes(
  flag: string,
  [low, high]: Range,
  standard: readonly number[],
  help: string,
  extras: OptionExtras<readonly number[]> = {},
): OptionSpec<readonly number[]> {
  const check = (value: unknown): string | undefined => {
    if (!areNumbers(value)) return `is a list of numbers, not ${value}`;
    if (value.length === 0) return "needs at least one number";
    const wrong = value.find((each) => !(Number.isInteger(each) && each >= low && each <= high));
    return wrong === undefined ? undefined : `is whole numbers from ${low} to ${high}, not ${wrong}`;
  };
  const range = `whole numbers from ${low} to ${high}`;
  return { flag, help, default: standard, extras, range, check, read: numbersOf };
}

/** Two different scores, in either order, or none. */
export function scores(flag: string, help: string, meaning: string): OptionSpec<readonly number[]> {
  const check = (value: unknown): string | undefined => {
    if (!areNumbers(value)) return `is a list of numbers, not ${value}`;
    if (value.length !== 0 && (value.length !== 2 || value[0] === value[1])) return `${meaning}; not ${value.join()}`;
    return value.every(Number.isFinite) ? undefined : `${value.join()} is not finite`;
  };
  return { flag, help, default: [], extras: {}, range: "two different numbers", check, read: numbersOf };
}
