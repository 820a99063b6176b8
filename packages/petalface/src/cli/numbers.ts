import { InvalidArgumentError } from "commander";
import { itemAt } from "onnx-grad";

/** Reads a number of the command line; commander reports what is none. */
export function numeric(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("not a number");
  return value;
}

/** Reads a comma-separated list of numbers. */
export const numberList = (text: string): number[] => text.split(",").map(numeric);

/** Reads a size such as `500M`, `4G` or `off` (0), in units of 1024. */
export function byteSize(text: string): number {
  if (text === "off") return 0;
  const match = /^(\d{1,6}(?:\.\d{1,3})?)([KMGT])$/i.exec(text);
  if (match === null) throw new InvalidArgumentError("a size is a number with K, M, G or T, such as 500M, or off");
  return Math.floor(Number(match[1]) * 1024 ** ("KMGT".indexOf(itemAt(match, 2).toUpperCase()) + 1));
}
