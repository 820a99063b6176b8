import { open } from "node:fs/promises";
import { itemAt } from "onnx-grad";
import { cannotRead, PetalfaceError } from "../errors.ts";
import { printPath } from "../images/index.ts";
import { refusePlaceholderAt } from "../placeholder.ts";

/** Read at once; memory does not grow with the file beyond its numbers. */
const window = 1 << 20;

const [lineFeed, carriageReturn, tab, space, zero, nine] = [10, 13, 9, 32, 48, 57];

/** A table of whole numbers, one typed array a column. */
export type Columns<Makers extends readonly ColumnMaker[]> = {
  readonly [Index in keyof Makers]: InstanceType<Makers[Index]>;
};

type ColumnMaker = Uint8ArrayConstructor | Int32ArrayConstructor | Uint32ArrayConstructor | Float64ArrayConstructor;

/** The largest number that a column holds. */
const most = (maker: ColumnMaker): number =>
  maker === Uint8Array
    ? 2 ** 8 - 1
    : maker === Int32Array
      ? 2 ** 31 - 1
      : maker === Uint32Array
        ? 2 ** 32 - 1
        : Number.MAX_SAFE_INTEGER;

/**
 * Reads a text file of non-negative whole numbers separated by spaces or tabs, the same number of
 * them in each line, such as MXNet's `.idx` or IJB's list of pairs. The file is read twice, so that
 * nothing but the numbers themselves is kept: 15 million lines take their typed arrays.
 *
 * @param makers the array type of each column
 * @throws PetalfaceError naming the line where something else stands
 */
export async function readIntegers<const Makers extends readonly ColumnMaker[]>(
  path: string,
  makers: Makers,
): Promise<Columns<Makers>> {
  const name = printPath(path);
  try {
    await refusePlaceholderAt(path, name);
    const length = await countLines(path);
    const columns = makers.map((maker) => new maker(length));
    await parse(path, name, columns, makers.map(most));
    return columns as unknown as Columns<Makers>;
  } catch (cause) {
    throw cannotRead(name, cause);
  }
}

/** Calls `visit` with each part of a file. */
async function eachPart(path: string, visit: (bytes: Uint8Array) => void): Promise<void> {
  await using file = await open(path);
  const buffer = Buffer.allocUnsafe(window);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, window);
    if (bytesRead === 0) return;
    visit(buffer.subarray(0, bytesRead));
  }
}

/** Lines with anything but blanks in them. */
async function countLines(path: string): Promise<number> {
  let lines = 0;
  let any = false;
  await eachPart(path, (bytes) => {
    for (const byte of bytes) {
      if (byte === lineFeed) {
        if (any) lines++;
        any = false;
      } else if (byte > space) any = true;
    }
  });
  return any ? lines + 1 : lines;
}

async function parse(
  path: string,
  name: string,
  columns: readonly { [index: number]: number }[],
  limits: readonly number[],
): Promise<void> {
  const width = columns.length;
  let [row, line, column, value] = [0, 1, 0, -1];
  const wrong = (what: string): PetalfaceError =>
    new PetalfaceError("PETAL_DATA_DAMAGED", `${name}, line ${line}: ${what}; expected ${width} whole numbers`);
  const endNumber = (): void => {
    if (value < 0) return;
    if (column === width) throw wrong("too many numbers");
    if (value > itemAt(limits, column)) throw wrong(`${value} is too large`);
    itemAt(columns, column++)[row] = value;
    value = -1;
  };
  const endLine = (): void => {
    endNumber();
    if (column > 0) {
      if (column < width) throw wrong(`${column} numbers`);
      row++;
      column = 0;
    }
    line++;
  };
  await eachPart(path, (bytes) => {
    // Digits are gathered in a variable of this loop: one that outlives it is slower to reach, and
    // every byte reaches for it.
    let number = value;
    for (const byte of bytes) {
      if (byte >= zero && byte <= nine) {
        number = number < 0 ? byte - zero : number * 10 + byte - zero;
        if (number > Number.MAX_SAFE_INTEGER) throw wrong("a number is too large");
        continue;
      }
      value = number;
      number = -1;
      if (byte === lineFeed) endLine();
      else if (byte === tab || byte === space || byte === carriageReturn) endNumber();
      else throw wrong(`${JSON.stringify(String.fromCharCode(byte))} is not a digit`);
    }
    value = number;
  });
  endLine();
}
