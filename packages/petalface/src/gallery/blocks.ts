import { crc32 } from "node:zlib";
import { PetalfaceError } from "../errors.ts";
import { printPath } from "../print-path.ts";
import { emptyCodes, placeCodes, readBlock, type StoredBlock } from "./codes.ts";
import type { SharedMemory } from "./scan/wasm.ts";
import type { FaceCodes } from "./types.ts";

/** A block as it is read from a store. */
export interface KeptBlock extends StoredBlock {
  readonly crc: number;
}

/** Check sum of a block, without a sign. */
export const blockSum = ({ sharp, copies }: StoredBlock): number => crc32(copies, crc32(sharp));

/** Reads a block. Throws PetalfaceError where its bytes are not those that were written. */
export function openBlock(path: string, block: KeptBlock, width: number): FaceCodes {
  const codes = blockSum(block) === block.crc ? readBlock(block, width) : undefined;
  if (codes !== undefined) return codes;
  throw new PetalfaceError(
    "PETAL_GALLERY_DAMAGED",
    `${printPath(path)} is damaged: a block of faces is not what was written; write it again with petalface gallery check 'compact'`,
  );
}

/**
 * Puts the blocks of a gallery together, in the order of ids, and behind them the faces that are in
 * none.
 */
export interface CodesJoiner {
  put(block: KeptBlock): void;
  finish(): FaceCodes;
}

/**
 * A {@link CodesJoiner}.
 *
 * @param about how many faces the blocks have, and whether any has copies
 * @param rest the faces in no block, in parts
 * @param memory where the codes go; ordinary memory unless given
 */
export function joinBlocks(
  path: string,
  width: number,
  about: { readonly count: number; readonly hasCopies: boolean },
  rest: readonly FaceCodes[],
  memory?: SharedMemory,
): CodesJoiner {
  const count = rest.reduce((sum, part) => sum + part.count, about.count);
  const hasCopies = about.hasCopies || rest.some(({ copies }) => copies !== null);
  const out = emptyCodes(width, count, hasCopies, memory);
  let at = 0;
  return {
    put(block) {
      const codes = openBlock(path, block, width);
      placeCodes(out, codes, at);
      at += codes.count;
    },
    finish() {
      for (const part of rest) {
        placeCodes(out, part, at);
        at += part.count;
      }
      return out;
    },
  };
}
