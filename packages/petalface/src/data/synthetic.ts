import { createHash } from "node:crypto";
import { PetalfaceError } from "../errors.ts";
import type { FaceData } from "./types.ts";

const defaults = { people: 1000, images: 4, seed: 0 };
const most = { people: 10_000_000, images: 1_000_000, seed: Number.MAX_SAFE_INTEGER };

/**
 * A set of synthetic people, `synthetic[:people=N,images=M,seed=S]`; 1,000 people with 4 photos
 * each, seed 0, unless said otherwise. Another seed gives other people.
 *
 * @throws PetalfaceError (wrong usage) for a word or number that is not understood
 */
export function openSynthetic(spec: string): FaceData {
  const chosen = { ...defaults };
  const options = spec.slice("synthetic".length);
  for (const option of options.length > 1 ? options.slice(1).split(",") : []) {
    const [name = "", text = "", ...rest] = option.split("=").map((part) => part.trim());
    const usage = (what: string) =>
      new PetalfaceError("PETAL_OPTION_INVALID", `${what} in "${spec}"; write synthetic:people=N,images=M,seed=S`);
    if (!isOption(name) || rest.length > 0) throw usage(`unknown option "${option}"`);
    const value = Number(text);
    const least = name === "seed" ? 0 : 1;
    if (!/^\d+$/.test(text) || value < least || value > most[name]) {
      throw usage(`${name} must be a whole number from ${least} to ${most[name]}, not "${text}",`);
    }
    chosen[name] = value;
  }
  const { people, images, seed } = chosen;
  const length = people * images;
  return {
    spec,
    length,
    people: Array.from({ length: people }, (_, person) => `synthetic-${seed}-${person}`),
    fingerprint: createHash("sha256").update(`synthetic people=${people} images=${images} seed=${seed}`).digest("hex"),
    at(index) {
      if (!(Number.isInteger(index) && index >= 0 && index < length))
        throw new RangeError(`sample ${index} of ${length}`);
      const person = Math.floor(index / images);
      const image = index % images;
      return { id: `${person}/${image}`, person, source: { kind: "synthetic", seed, person, image } };
    },
  };
}

function isOption(name: string): name is keyof typeof defaults {
  return Object.hasOwn(defaults, name);
}

/** Whether the first face of a set is a synthetic one. Sets hold synthetic faces only, or none. */
export const isDrawn = (data: FaceData): boolean => data.length > 0 && data.at(0).source.kind === "synthetic";
