import { itemAt } from "onnx-grad";
import type { Loader } from "../images/index.ts";
import { effectiveResolution, quantile, sharpResolution } from "../quality/index.ts";
import type { SessionOptions } from "../runtime/index.ts";
import type { Protocol } from "./protocols/types.ts";
import type { FaceResolution } from "./results/types.ts";

/** Faces that are looked at of each part of a protocol, at most. */
const most = 256;
/**
 * Share of the faces that may lack the detail of sharp photos where the others make a part sharp; 5
 * % of sharp photos do.
 */
const few = 0.1;

/** What is looked at, and how. */
export interface ResolutionOptions {
  readonly protocol: Protocol;
  readonly loader: Pick<Loader, "load">;
  /** Side in pixels at which the loader prepares faces. */
  readonly size: number;
  readonly engine?: SessionOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures how much detail the faces of a protocol have before anything is done to them: effective
 * resolution of up to 256 faces of each part, spread over it. A part none of whose faces can be
 * read is left out.
 */
export async function measureResolution(options: ResolutionOptions): Promise<FaceResolution[]> {
  const { protocol, size, signal } = options;
  const found: FaceResolution[] = [];
  for (const { items, ...part } of partsOf(protocol)) {
    const places = [...protocol.faces.keys()].filter((place) => items.has(itemAt(protocol.item, place)));
    const count = Math.min(most, places.length);
    const requests = Array.from({ length: count }, (_, i) => {
      const place = itemAt(places, Math.floor((i * places.length) / count));
      return { source: protocol.data.at(itemAt(protocol.faces, place)).source, flip: false };
    });
    const details = (await effectiveResolution(requests, options, signal)).filter((detail) => detail !== undefined);
    if (details.length > 0) found.push({ ...part, ...summarise(details, size) });
  }
  return found;
}

/** Items that play one part in a protocol. */
interface Part extends Pick<FaceResolution, "role" | "condition"> {
  readonly items: ReadonlySet<number>;
}

/** What is compared; and what is enrolled and searched for, where these are sets of their own. */
function partsOf({ comparisons, searches }: Protocol): Part[] {
  const named = (name: string, several: boolean) => (several && name !== "sharp" ? { condition: name } : {});
  const compared = comparisons.map(({ name, first, second }): Part => {
    const condition = named(name, searches.length > 0);
    return { role: "faces", ...condition, items: new Set([...first, ...second]) };
  });
  const several = searches.length > 1;
  const galleries = new Map<string, Part>();
  const probes = new Map<string, Part>();
  for (const { name, firstOfEach, ...search } of searches) {
    if (firstOfEach) continue;
    const condition = named(name, several);
    for (const [parts, role] of [
      [galleries, "gallery"],
      [probes, "probes"],
    ] as const) {
      // One set may be searched, or searched for, several times.
      const key = search[role].join();
      parts.set(
        key,
        parts.has(key) ? { role, items: new Set(search[role]) } : { role, ...condition, items: new Set(search[role]) },
      );
    }
  }
  return [...compared, ...galleries.values(), ...probes.values()];
}

function summarise(details: readonly number[], size: number): Omit<FaceResolution, "role" | "condition"> {
  const blurred = details.filter((detail) => detail < sharpResolution(size)).length;
  return {
    looked: details.length,
    median: quantile(details, 0.5),
    low: quantile(details, 0.05),
    high: quantile(details, 0.95),
    sharp: blurred <= few * details.length,
  };
}
