import { InvalidArgumentError } from "commander";

/** Reads a number of the command line; commander reports what is none. */
export function numeric(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("not a number");
  return value;
}

/** Reads a comma-separated list of numbers. */
export const numberList = (text: string): number[] => text.split(",").map(numeric);
