import { describe, expect, test } from "vitest";
import type { Embedder } from "../../src/backbones/index.ts";
import { embedEnrolled } from "../../src/embeddings/index.ts";
import { PetalfaceError } from "../../src/errors.ts";
import type { ImageRequest } from "../../src/images/index.ts";
import {
  checkCopies,
  copyGalleryRows,
  copyPairScores,
  copyProbeRows,
  copyTemplates,
  copyWeights,
  enrolFaces,
  normaliseRows,
  openCopyMatcher,
  openMatcher,
  pairScores,
} from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";

const width = 5;
const count = 7;
const rowsOf = (name: string): Float32Array => {
  const draw = random(name);
  return Float32Array.from({ length: count * width }, () => 3 * draw.normal());
};
const [sharp, small, smaller] = [rowsOf("sharp"), rowsOf("small"), rowsOf("smaller")] as const;

const unit = (values: readonly number[]): number[] => {
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
};
const row = (rows: Float32Array, at: number): number[] => [...rows.subarray(at * width, (at + 1) * width)];

describe("a template with copies", () => {
  test("is unit(f(sharp) + w x sum of f(copy)), each f at unit length", () => {
    const faces = enrolFaces(sharp, [small, smaller], width);
    for (const weight of [0.25, 1, 3]) {
      const templates = copyTemplates(faces, weight);
      for (let face = 0; face < count; face++) {
        const [a, b, c] = [sharp, small, smaller].map((rows) => unit(row(rows, face))) as [
          number[],
          number[],
          number[],
        ];
        const expected = unit(a.map((value, k) => value + weight * (b[k] + c[k])));
        expected.forEach((value, k) => {
          expect(templates[face * width + k]).toBeCloseTo(value, 6);
        });
      }
    }
  });

  test("is the photo's unit embedding at weight 0, bit for bit", () => {
    expect(copyTemplates(enrolFaces(sharp, [small], width), 0)).toEqual(normaliseRows(sharp, width));
  });

  test("needs copies of every photo, all finite", () => {
    expect(() => enrolFaces(sharp, [small.subarray(width)], width)).toThrow(/copies are 6 rows, and photos 7/);
    const broken = small.map((value, i) => (i === 8 ? Number.NaN : value));
    expect(() => enrolFaces(sharp, [broken], width)).toThrow(/copy 1 holds a number that is not finite/);
  });
});

describe("scores of faces enrolled with copies", () => {
  const faces = enrolFaces(sharp, [small, smaller], width);
  const probes = normaliseRows(rowsOf("probes"), width);
  const everyone = [...Array(count).keys()];
  const weights = Float32Array.from(everyone, (probe) => probe / 4);

  test("come from two products, each probe with its own weight, and are the cosines of the templates", async () => {
    const matcher = await openCopyMatcher(width, {}, 16);
    const pad = (rows: Float32Array, length: number): Float32Array => {
      const block = new Float32Array(length * matcher.width);
      block.set(rows);
      return block;
    };
    const left = pad(copyProbeRows(probes, width, weights, everyone), matcher.probes);
    const found = await matcher.multiply(left, pad(copyGalleryRows(faces, everyone), 2048));
    await matcher.close();
    const plain = await openMatcher(width, {}, 16);
    const padded = (rows: Float32Array, length: number): Float32Array => {
      const block = new Float32Array(length * width);
      block.set(rows);
      return block;
    };
    const cosines = await plain.multiply(padded(probes, plain.probes), padded(faces.sharp, 2048));
    await plain.close();
    const pairs = {
      enrolled: Int32Array.from(everyone.flatMap(() => everyone)),
      probe: Int32Array.from(everyone.flatMap((probe) => everyone.map(() => probe))),
    };
    const listed = copyPairScores(faces, probes, weights, pairs);
    for (const probe of everyone) {
      const templates = copyTemplates(faces, weights[probe]);
      for (const face of everyone) {
        const expected = row(probes, probe).reduce((sum, x, k) => sum + x * templates[face * width + k], 0);
        expect(found[probe * 2048 + face]).toBeCloseTo(expected, 5);
        expect(listed[probe * count + face]).toBeCloseTo(expected, 5);
      }
    }
    // The first probe has weight 0: the plain cosines, bit for bit.
    expect(found.subarray(0, count)).toEqual(cosines.subarray(0, count));
    const firsts = { enrolled: pairs.enrolled.slice(0, count), probe: pairs.probe.slice(0, count) };
    expect(listed.subarray(0, count)).toEqual(pairScores(faces.sharp, probes, width, firsts.enrolled, firsts.probe));
  });
});

test("the weight of copies is 1 - alpha of the probe, within 0 and 1, or one number", () => {
  expect([...copyWeights("alpha", 4, Float32Array.of(0, 0.25, 1, 1.5))]).toEqual([1, 0.75, 0, 0]);
  expect([...copyWeights(0.25, 2, undefined)]).toEqual([0.25, 0.25]);
  expect(() => copyWeights("alpha", 2, undefined)).toThrow(/cannot follow alpha, because this model computes none/);
});

test.each([
  [[], 0.25, /0 sizes; give 1 to 16/],
  [[16, 1], 0.25, /a size is a whole number of pixels from 2, not 1/],
  [[16.5], 0.25, /not 16.5/],
  [[16, 12, 16], 0.25, /size 16 is given twice/],
  [[112], 0.25, /size 112 is not smaller than the model's input of 112 px/],
  [[16], -1, /a weight is a number from 0 to 10, or alpha, not -1/],
  [[16], Number.NaN, /not NaN/],
] as const)("sizes %j with weight %d are refused", (sizes, weight, message) => {
  expect(() => checkCopies({ sizes, weight }, 112)).toThrow(message);
});

/** Pixels that say which face this is and how far it was shrunk. */
const loader = {
  async load(requests: readonly ImageRequest[], onBad?: (index: number, error: PetalfaceError) => void) {
    const out = new Uint8Array(requests.length * 12);
    requests.forEach(({ source, degrade }, i) => {
      if (source.kind !== "synthetic") return;
      if (source.person === 3) onBad?.(i, new PetalfaceError("PETAL_ARGUMENT_INVALID", "face 3 cannot be read"));
      out.set([source.person, degrade?.kind === "lr" ? degrade.pixels : 0], i * 12);
    });
    return out;
  },
};

const embedder = (batch: number): Embedder => ({
  size: 112,
  width: 2,
  batch,
  async embed(pixels, faces) {
    const data = Float32Array.from({ length: 2 * faces }, (_, i) =>
      i % 2 === 0 ? 1 + pixels[6 * i] : 1 + pixels[6 * (i - 1) + 1],
    );
    const alpha = Float32Array.from({ length: faces }, (_, i) => (pixels[12 * i + 1] === 0 ? 1 : 0));
    return { count: faces, width: 2, data, alpha };
  },
  async close() {},
});

test.each([1, 4, 5, 64])(
  "faces are embedded with their copies, in batches of %d, whatever is left out",
  async (batch) => {
    const request = (person: number): ImageRequest => ({
      source: { kind: "synthetic", seed: 1, person, image: 0 },
      flip: false,
    });
    const left: number[] = [];
    const found: (readonly [number[], number[], number])[] = [];
    const options = { embedder: embedder(batch), loader, onLeft: (face: number) => left.push(face) };
    for await (const part of embedEnrolled(9, request, { sizes: [16, 12] }, options)) {
      expect(part.start).toBe(found.length);
      for (let at = 0; at < part.count; at++) {
        const two = (rows: Float32Array): number[] => [...rows.subarray(2 * at, 2 * at + 2)];
        found.push([two(part.sharp), two(part.copies), part.alpha?.[at] ?? 0]);
      }
    }
    expect(left).toEqual([3]);
    expect(found).toHaveLength(9);
    found.forEach(([photo, copies, alpha], face) => {
      if (face === 3) {
        expect([...photo, ...copies]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
        return;
      }
      // The network's embedding is [1 + face, 1 + side].
      const expected = [0, 16, 12].map((side) => unit([1 + face, 1 + side])) as [number[], number[], number[]];
      expect(alpha).toBe(1);
      [0, 1].forEach((k) => {
        expect(photo[k]).toBeCloseTo(expected[0][k], 6);
        expect(copies[k]).toBeCloseTo(expected[1][k] + expected[2][k], 6);
      });
    });
  },
);
