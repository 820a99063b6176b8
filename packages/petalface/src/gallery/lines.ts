import { createReadStream } from "node:fs";
import { PetalfaceError } from "../errors.ts";
import { printPath } from "../images/index.ts";

/**
 * A line of an export is never longer: an embedding, and a picture of 128 MiB in base64 or in hex
 * digits.
 */
const longestLine = 272 * 2 ** 20;

/** Lines of a text file, without their ends. Throws PetalfaceError where it cannot be read. */
export async function* linesOf(file: string): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let length = 0;
  try {
    const chunks: AsyncIterable<Buffer> = createReadStream(file);
    for await (const chunk of chunks) {
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        yield Buffer.concat([...rest, chunk.subarray(start, end)]).toString("utf8");
        [rest, length, start] = [[], 0, end + 1];
      }
      rest.push(chunk.subarray(start));
      length += chunk.length - start;
      if (length > longestLine)
        throw new PetalfaceError("PETAL_GALLERY_DAMAGED", `${printPath(file)} is no export of a gallery`);
    }
  } catch (cause) {
    if (cause instanceof PetalfaceError || !(cause instanceof Error)) throw cause;
    throw new PetalfaceError("PETAL_GALLERY_DAMAGED", `cannot read ${printPath(file)} (${cause.message})`, { cause });
  }
  if (length > 0) yield Buffer.concat(rest).toString("utf8");
}
