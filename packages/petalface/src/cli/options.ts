import { InvalidArgumentError } from "commander";

/** A parser for commander: a whole number from `least` to `most`. */
export function parseInteger(name: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text.trim()) || !Number.isSafeInteger(value) || value < least || value > most)
      throw new InvalidArgumentError(`${name} is a whole number from ${least} to ${most}.`);
    return value;
  };
}

/** A parser for commander that collects a repeated option. */
export function collect(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text];
}
