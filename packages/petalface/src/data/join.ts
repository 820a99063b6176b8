import { createHash } from "node:crypto";
import { itemAt, lastOf } from "onnx-grad";
import type { FaceData } from "./types.ts";

/** A part of a joined set, and what its ids begin with. */
export interface NamedPart {
  readonly name: string;
  readonly data: FaceData;
}

/**
 * Several sets behind each other as one, ids `NAME/ID`. It has no known people: the protocol that
 * joins the sets defines them.
 *
 * @param spec what to call it
 */
export function joinData(spec: string, parts: readonly NamedPart[]): FaceData {
  const starts = [0];
  for (const { data } of parts) starts.push(lastOf(starts) + data.length);
  const length = lastOf(starts);
  const hash = createHash("sha256");
  for (const { name, data } of parts) hash.update(JSON.stringify([name, data.fingerprint]));
  const lost = parts.map(({ data }) => data.unreadable ?? { count: 0, tried: 0, first: [] });
  return {
    spec,
    skipped: parts.reduce((sum, { data }) => sum + (data.skipped ?? 0), 0),
    unreadable: {
      count: lost.reduce((sum, { count }) => sum + count, 0),
      tried: lost.reduce((sum, { tried }) => sum + tried, 0),
      first: lost.flatMap(({ first }) => first).slice(0, 5),
    },
    mostLeftOut: parts[0]?.data.mostLeftOut,
    length,
    people: [],
    fingerprint: hash.digest("hex"),
    at(at) {
      if (!(Number.isInteger(at) && at >= 0 && at < length)) throw new RangeError(`sample ${at} of ${length}`);
      let part = 0;
      while (itemAt(starts, part + 1) <= at) part++;
      const { name, data } = itemAt(parts, part);
      const sample = data.at(at - itemAt(starts, part));
      return { ...sample, id: `${name}/${sample.id}`, person: -1 };
    },
  };
}
