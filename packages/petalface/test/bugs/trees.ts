import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { type FaceData, openData } from "../../src/data/index.ts";

const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;

/** A picture. */
export const jpeg: Buffer = await sharp({ create: { width: 32, height: 32, channels: 3, background: "#888", noise } })
  .jpeg()
  .toBuffer();

/** Makes folders below `base` that hold some files each: pictures, unless a text is given. */
export function treesIn(base: string) {
  let sets = 0;
  return (files: readonly string[] | Readonly<Record<string, string | Uint8Array>>): string => {
    const root = join(base, `set ${sets++}`);
    const entries = Array.isArray(files) ? files.map((name) => [name, jpeg] as const) : Object.entries(files);
    for (const [name, content] of entries) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
    }
    return root;
  };
}

export const open = (spec: string): Promise<FaceData> => openData(spec, { cache: false });

export const idsOf = (data: FaceData): string[] => Array.from({ length: data.length }, (_, at) => data.at(at).id);
