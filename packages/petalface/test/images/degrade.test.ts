import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createDegrader,
  decodeImage,
  degrade,
  flip,
  parseDegradation,
  printDegradation,
  resizeBilinear,
  toPlanes,
} from "../../src/images/index.ts";
import { arbitraryPixels, gradient, mean, paint, shared, worst } from "./helpers.ts";

const oracle = shared("oracle", "quality", "png");
const degradation = fc.integer({ min: 2, max: 48 }).map((pixels) => ({ kind: "lr", pixels }) as const);

describe.skipIf(!oracle.exists)("degrade against OpenCV (needs the shared oracle)", () => {
  it.each([24, 16, 8])("equals area shrinking to %i px and bilinear enlarging, every pixel", async (pixels) => {
    const degrader = createDegrader();
    for (let image = 0; image < 40; image += 4) {
      const name = join(oracle.path, String(image).padStart(2, "0"));
      const original = await decodeImage(`${name}_original.png`, 112);
      const expected = await decodeImage(`${name}_down${pixels}.png`, 112);
      expect(worst(degrader(original, { kind: "lr", pixels }).data, expected.data)).toBe(0);
    }
  });
});

describe("degrade", () => {
  it("keeps the size and leaves the argument alone", () => {
    fc.assert(
      fc.property(arbitraryPixels(), degradation, (pixels, worse) => {
        const before = pixels.data.slice();
        const result = degrade(pixels, worse);
        expect([result.width, result.height, result.data.length]).toEqual([pixels.width, pixels.height, before.length]);
        expect(pixels.data).toEqual(before);
      }),
    );
  });

  it("keeps a face of one colour", () => {
    const side = fc.integer({ min: 1, max: 130 });
    fc.assert(
      fc.property(side, fc.integer({ min: 0, max: 255 }), degradation, (length, grey, worse) => {
        const face = paint(length, length, () => grey);
        expect(degrade(face, worse).data).toEqual(face.data);
      }),
    );
  });

  it("keeps the mean of a smooth face within one grey level", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), (pixels) => {
        const face = gradient(112);
        expect(Math.abs(mean(degrade(face, { kind: "lr", pixels }).data) - mean(face.data))).toBeLessThan(1);
      }),
    );
  });

  it("averages boxes of 2 x 2 and enlarges between their centres", () => {
    const face = paint(4, 4, (x) => (x < 2 ? 0 : 200));
    const row = [0, 0, 0, 50, 50, 50, 150, 150, 150, 200, 200, 200];
    expect([...degrade(face, { kind: "lr", pixels: 2 }).data]).toEqual([...row, ...row, ...row, ...row]);
  });

  it("loses detail that a smaller face cannot hold and keeps what it can", () => {
    const stripes = paint(112, 112, (x) => (Math.floor(x / 7) % 2) * 200);
    const contrast = (pixels: number) => {
      const { data } = degrade(stripes, { kind: "lr", pixels });
      return Math.max(...data) - Math.min(...data);
    };
    expect(contrast(16)).toBe(200);
    expect(contrast(8)).toBeLessThan(5);
  });

  it("leaves a face that is small already", () => {
    const face = gradient(16);
    expect(degrade(face, { kind: "lr", pixels: 16 })).toBe(face);
    expect(degrade(face, { kind: "lr", pixels: 112 })).toBe(face);
  });

  it("refuses a side that is no side", () => {
    for (const pixels of [1, 0, -3, 2.5, Number.NaN]) {
      expect(() => degrade(gradient(16), { kind: "lr", pixels })).toThrow(RangeError);
    }
  });
});

describe("the spelling of a degradation", () => {
  it("is read back as it was printed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 99_999 }), (pixels) => {
        const worse = { kind: "lr", pixels } as const;
        expect(parseDegradation(printDegradation(worse))).toEqual(worse);
      }),
    );
  });

  it.each(["", "lr", "lr:", "lr:1", "lr:0", "lr:-8", "lr:1e3", "lr:16px", "blur:3", "lr:123456"])(
    "refuses %j",
    (text) => {
      expect(() => parseDegradation(text)).toThrow(/unknown degradation .* lr:PIXELS/);
    },
  );
});

describe("flip", () => {
  it("swaps left and right", () => {
    const face = paint(3, 2, (x, y, channel) => 100 * y + 10 * x + channel);
    expect([...flip(face).data]).toEqual([
      20, 21, 22, 10, 11, 12, 0, 1, 2, 120, 121, 122, 110, 111, 112, 100, 101, 102,
    ]);
  });

  it("twice changes nothing", () => {
    fc.assert(
      fc.property(arbitraryPixels(), (pixels) => {
        expect(flip(flip(pixels))).toEqual(pixels);
      }),
    );
  });
});

describe("resizeBilinear", () => {
  it("to the same size changes nothing", () => {
    fc.assert(
      fc.property(arbitraryPixels(), (pixels) => {
        expect(resizeBilinear(pixels, pixels.width, pixels.height)).toEqual(pixels);
      }),
    );
  });

  it("stays between the darkest and the brightest neighbour", () => {
    const side = fc.integer({ min: 1, max: 64 });
    fc.assert(
      fc.property(arbitraryPixels(12), side, side, (pixels, width, height) => {
        const { data } = resizeBilinear(pixels, width, height);
        expect(data.length).toBe(width * height * 3);
        expect(Math.min(...data)).toBeGreaterThanOrEqual(Math.min(...pixels.data));
        expect(Math.max(...data)).toBeLessThanOrEqual(Math.max(...pixels.data));
      }),
    );
  });
});

describe("toPlanes", () => {
  it("separates the channels and touches nothing else", () => {
    const out = new Uint8Array(14).fill(9);
    toPlanes({ width: 2, height: 2, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13) }, out, 1);
    expect([...out]).toEqual([9, 1, 4, 7, 11, 2, 5, 8, 12, 3, 6, 10, 13, 9]);
  });

  it("refuses to write past the end", () => {
    expect(() => toPlanes(gradient(4), new Uint8Array(50), 3)).toThrow(RangeError);
  });
});
