import { createHash } from "node:crypto";
import type { Unreadable } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { PairsProtocol } from "../results/types.ts";

/** What a measurement left out: images that cannot be read or have no finite embedding, and with them every comparison that they are in. */
export interface LeftOut extends Unreadable {
  /** Ids of all of them, in the protocol's order. */
  readonly faces: readonly string[];
}

/** The protocol that a measurement with this `leftOut` was made on. */
export function measuredProtocol(protocol: PairsProtocol, leftOut: LeftOut | undefined): PairsProtocol {
  if (leftOut === undefined) return protocol;
  const faces = new Set(leftOut.faces);
  const images = [...protocol.images.keys()].filter((image) => faces.has(protocol.images[image]?.id ?? ""));
  return withoutImages(protocol, new Set(images)).protocol;
}

/**
 * A protocol without some of its images, and without the pairs that they are in. Where the image of a person that was enrolled goes, the next one
 * takes its place. It has a fingerprint of its own: its results cannot be compared with those on all images.
 *
 * @returns the protocol, and the old number of each of its images
 * @throws PetalfaceError where pairs of one person, or of two, are no longer there
 */
export function withoutImages(
  protocol: PairsProtocol,
  left: ReadonlySet<number>,
): { readonly protocol: PairsProtocol; readonly kept: Int32Array } {
  const kept = Int32Array.from(protocol.images.keys()).filter((image) => !left.has(image));
  const number = new Map(Array.from(kept, (image, at) => [image, at]));
  const pairs = protocol.pairs.flatMap((pair) => {
    const [first, second] = [number.get(pair.first), number.get(pair.second)];
    return first === undefined || second === undefined ? [] : [{ ...pair, first, second }];
  });
  const genuine = pairs.filter(({ same }) => same).length;
  if (genuine === 0 || genuine === pairs.length)
    throw new PetalfaceError(
      `${protocol.name}: without the images that are left out ${genuine} pairs of one person and ${pairs.length - genuine} of two remain; both kinds are needed`,
    );
  const images = Array.from(kept, (image) => protocol.images[image] as PairsProtocol["images"][number]);
  const searched = new Set([...protocol.gallery, ...protocol.probes]);
  const enrolled = new Set<number>();
  const [gallery, probes]: [number[], number[]] = [[], []];
  kept.forEach((image, at) => {
    if (!searched.has(image)) return;
    const { person } = images[at] as PairsProtocol["images"][number];
    (enrolled.has(person) ? probes : gallery).push(at);
    enrolled.add(person);
  });
  const names = protocol.images.filter((_, image) => left.has(image)).map(({ id }) => id);
  const fingerprint = createHash("sha256")
    .update(JSON.stringify([protocol.fingerprint, names]))
    .digest("hex");
  return { protocol: { ...protocol, images, pairs, gallery, probes, fingerprint }, kept };
}
