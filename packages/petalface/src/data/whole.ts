import { open } from "node:fs/promises";
import { cannotRead, PetalfaceError } from "../errors.ts";
import { readToEnd } from "../files.ts";

/**
 * All of a file that should not be large.
 *
 * @param name what messages call the file
 * @param most its largest size in bytes, and what it is: `a list of faces`
 * @throws PetalfaceError where it cannot be read or is larger
 */
export async function readWhole(path: string, name: string, [most, what]: readonly [number, string]): Promise<Buffer> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > most)
      throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} has ${size} bytes; ${what} may have ${most}`);
    return await readToEnd(file);
  } catch (cause) {
    throw cannotRead(name, cause);
  }
}
