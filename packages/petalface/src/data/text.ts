import { createReadStream } from "node:fs";

/** The error to throw for a line, counted from 1. */
export type Wrong = (line: number, what: string) => Error;

/** Characters that a line may have. */
export const longestLine = 65_536;

/** Lines of a UTF-8 file, one by one. Node's own line reader keeps a line of any length in memory. */
export async function* textLines(path: string, wrong: Wrong): AsyncGenerator<string> {
  const tooLong = (line: number): Error => wrong(line, `too long; a line may have ${longestLine} characters`);
  const decoder = new TextDecoder();
  let rest = "";
  let line = 1;
  for await (const chunk of createReadStream(path)) {
    const parts = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
    rest = parts.pop() as string;
    for (const part of parts) {
      if (part.length > longestLine) throw tooLong(line);
      line++;
      yield part;
    }
    if (rest.length > longestLine) throw tooLong(line);
  }
  yield rest + decoder.decode();
}
