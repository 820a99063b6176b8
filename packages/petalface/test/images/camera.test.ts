import fc from "fast-check";
import { lastOf } from "onnx-grad";
import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { resample } from "../../src/images/camera/index.ts";
import {
  type Degradation,
  degrade,
  drawDegradation,
  mildestDegradation,
  openLoader,
  type Pixels,
  parseDegradation,
  printDegradation,
} from "../../src/images/index.ts";
import { arbitraryPixels, gradient, mean, paint, worst } from "./helpers.ts";

/** One stage with one value. */
const stage = (name: string, value: number): Degradation => drawDegradation(parseDegradation(`${name}=${value}`));
const apply = (pixels: Pixels, text: string, ...seed: number[]): Pixels =>
  degrade(pixels, drawDegradation(parseDegradation(text), ...seed));

/** Something like a face: smooth shapes, edges and some texture. */
const scene = paint(112, 112, (x, y, channel) => {
  const disc = Math.hypot(x - 56, y - 50) < 34 ? 120 : 40;
  const eyes = Math.hypot(x - 42, y - 44) < 5 || Math.hypot(x - 70, y - 44) < 5 ? -80 : 0;
  return Math.min(Math.max(disc + eyes + 20 * Math.sin(x / 3) * Math.cos(y / 5) + 12 * channel, 0), 255);
});

/** Peak signal to noise ratio in dB, inside a border of `edge` pixels. */
function psnr(one: Pixels, other: Pixels, edge = 0): number {
  let squares = 0;
  let count = 0;
  for (let y = edge; y < one.height - edge; y++)
    for (let x = edge * 3; x < (one.width - edge) * 3; x++, count++)
      squares += (one.data[y * one.width * 3 + x] - other.data[y * one.width * 3 + x]) ** 2;
  return 10 * Math.log10(255 ** 2 / (squares / count));
}

const wrap = ({ data, width, height }: Pixels) => sharp(data, { raw: { width, height, channels: 3 } });

async function unwrap(picture: Sharp): Promise<Pixels> {
  const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

const nothing = ["blur=0", "defocus=0", "motion=0", "turbulence=0", "noise=0", "shot=0", "gamma=1", "down=112"];

describe("stages that are set to nothing", () => {
  it.each([...nothing, nothing.join()])("%s changes no pixel", (text) => {
    expect(apply(scene, text).data).toEqual(scene.data);
  });

  it("down to a side with area and bilinear kernels is lr", () => {
    fc.assert(
      fc.property(arbitraryPixels(), fc.integer({ min: 2, max: 40 }), (pixels, side) => {
        expect(apply(pixels, `down=${side}`)).toEqual(degrade(pixels, { kind: "lr", pixels: side }));
      }),
    );
  });
});

describe("every stage", () => {
  const values = {
    down: [64, 24, 12, 6],
    blur: [0.4, 1, 2, 4],
    defocus: [0.5, 1, 2.5, 5],
    motion: [1, 3, 7, 15],
    turbulence: [0.2, 0.7, 2, 5],
    noise: [2, 6, 15, 40],
    shot: [2, 6, 15, 40],
    gamma: [1.1, 1.4, 2, 4],
    jpeg: [95, 60, 25, 5],
    h264: [10, 24, 36, 48],
  } as const;
  it.each(Object.entries(values))("%s is worse the further it goes, and keeps the size", (name, list) => {
    const ratios = list.map((value) => {
      const face = degrade(scene, stage(name, value));
      expect([face.width, face.height, face.data.length]).toEqual([112, 112, scene.data.length]);
      return psnr(face, scene);
    });
    expect(ratios).toEqual(ratios.toSorted((a, b) => b - a));
    expect(ratios[0]).toBeGreaterThan(lastOf(ratios) + 3);
  });

  it.each(["blur=3", "defocus=3", "motion=6", "turbulence=2", "down=9:any,up=any", "jpeg=30", "h264=30"])(
    "%s keeps a face of one grey",
    (text) => {
      for (const grey of [0, 17, 128, 255]) {
        const face = paint(40, 40, () => grey);
        expect(worst(apply(face, text, 3).data, face.data)).toBeLessThanOrEqual(
          text.startsWith("h264") ? 4 : text.startsWith("jpeg") ? 1 : 0,
        );
      }
    },
  );

  it("takes any size, leaves its argument alone, and gives the same bits again", () => {
    const spec = parseDegradation(
      "turbulence=0-2,motion=0-5,defocus=0-2,blur=0-2,down=2-30:any,gamma=0.5-2,shot=0-20,noise=0-20,h264=0-51,jpeg=1-100,up=any",
    );
    fc.assert(
      fc.property(arbitraryPixels(24), fc.nat(), (pixels, seed) => {
        const before = pixels.data.slice();
        const drawn = drawDegradation(spec, seed);
        const face = degrade(pixels, drawn);
        expect([face.width, face.height, face.data.length]).toEqual([pixels.width, pixels.height, before.length]);
        expect(pixels.data).toEqual(before);
        expect(degrade(pixels, structuredClone(drawn)).data).toEqual(face.data);
      }),
      { numRuns: 60 },
    );
  });

  it("shrinks first where it is written first: noise on the small face is coarse", () => {
    const grey = paint(112, 112, () => 128);
    const change = (text: string): number => {
      const { data } = apply(grey, text, 1);
      let sum = 0;
      for (let at = 3; at < data.length; at += 3) sum += Math.abs(data[at] - data[at - 3]);
      return sum / data.length;
    };
    expect(change("noise=20,down=16")).toBeLessThan(0.2 * change("down=16,noise=20"));
  });
});

describe("resampling", () => {
  const kernels = [
    ["bilinear", "linear"],
    ["bicubic", "cubic"],
    ["lanczos", "lanczos3"],
  ] as const;
  // Beyond a ratio of two libvips averages whole pixels first; that, and how it enlarges, is another filter.
  it.each(kernels)("%s shrinks as libvips does, within a grey level", async (kernel, theirs) => {
    for (const side of [64, 80]) {
      const small = await unwrap(wrap(scene).resize(side, side, { kernel: theirs, fit: "fill" }));
      expect(worst(resample(scene, side, side, kernel).data, small.data)).toBeLessThanOrEqual(1);
    }
  });

  it("bicubic and lanczos enlarge a point into the kernel, by hand", () => {
    const point = paint(9, 1, (x) => (x === 4 ? 200 : 50));
    const enlarged = (kernel: "bicubic" | "lanczos"): number[] => {
      const { data } = resample(point, 18, 1, kernel);
      return [0, 1, 2, 3].map((step) => data[(9 + step) * 3]);
    };
    // Keys' cubic at 0.25, 0.75, 1.25, 1.75.
    expect(enlarged("bicubic")).toEqual(
      [0.8671875, 0.2265625, -0.0703125, -0.0234375].map((w) => Math.round(50 + 150 * w)),
    );
    const sinc = (x: number): number => Math.sin(Math.PI * x) / (Math.PI * x);
    const lanczos = (x: number): number => sinc(x) * sinc(x / 3);
    const sum = [0.25, 0.75, 1.25, 1.75, 2.25, 2.75].reduce((total, x) => total + lanczos(x), 0);
    expect(enlarged("lanczos")).toEqual([0.25, 0.75, 1.25, 1.75].map((x) => Math.round(50 + (150 * lanczos(x)) / sum)));
  });

  it("nearest takes one pixel for each, by hand", () => {
    const face = paint(4, 4, (x, y) => 10 * x + y);
    const values = [11, 11, 31, 31];
    const rows = [0, 0, 2, 2].map((down) => values.map((value) => value + down));
    const expected = rows.flatMap((row) => row.flatMap((value) => [value, value, value]));
    expect([...apply(face, "down=2:nearest,up=nearest").data]).toEqual(expected);
  });
});

describe("blur", () => {
  it("is libvips' Gaussian", async () => {
    for (const sigma of [0.7, 1.5, 3]) {
      const theirs = await unwrap(wrap(scene).blur({ sigma, precision: "float", minAmplitude: 0.001 }));
      expect(worst(apply(scene, `blur=${sigma}`).data, theirs.data)).toBeLessThanOrEqual(2);
    }
  });

  it("spreads a point over a disc, and over a line, and keeps its light", () => {
    const point = paint(41, 41, (x, y) => (x === 20 && y === 20 ? 255 : 0));
    const bright = (text: string, seed: number) => {
      const { data } = apply(point, text, seed);
      const lit = Array.from({ length: 41 * 41 }, (_, at) => data[3 * at]);
      const light = lit.reduce((sum, value) => sum + value, 0);
      const distance = lit.map((value, at) => (value > 0 ? Math.hypot((at % 41) - 20, Math.floor(at / 41) - 20) : 0));
      return { light, reach: Math.max(...distance), count: lit.filter((value) => value > 0).length };
    };
    const disc = bright("defocus=3", 0);
    // 255 over pi r^2 = 28 pixels is 9 each, rounded.
    expect(Math.abs(disc.light - 255)).toBeLessThan(20);
    expect(disc.reach).toBeLessThan(3.5);
    expect(disc.count).toBeGreaterThan(24);
    for (const seed of [1, 2, 3]) {
      const line = bright("motion=9", seed);
      expect(Math.abs(line.light - 255)).toBeLessThan(20);
      expect(line.reach).toBeGreaterThan(3.5);
      expect(line.reach).toBeLessThan(6.5);
      expect(line.count).toBeLessThan(32);
    }
  });
});

describe("noise", () => {
  const deviation = (grey: number, text: string): number => {
    const face = paint(112, 112, () => grey);
    const values = Array.from(apply(face, text, 4).data, (value) => value - grey);
    expect(Math.abs(mean(values))).toBeLessThan(0.2);
    return Math.sqrt(mean(values.map((value) => value ** 2)));
  };

  it("of the read-out is the same in light and shade", () => {
    for (const grey of [60, 128, 190]) expect(deviation(grey, "noise=8")).toBeCloseTo(Math.sqrt(64 + 1 / 12), 0.5);
  });

  it("of the light grows with its root", () => {
    for (const grey of [30, 120, 200])
      expect(deviation(grey, "shot=10") / Math.sqrt((100 * grey) / 255 + 1 / 12)).toBeCloseTo(1, 1);
    expect([
      ...apply(
        paint(8, 8, () => 0),
        "shot=60",
      ).data,
    ]).toEqual([...new Uint8Array(192)]);
  });
});

describe("gamma", () => {
  it("is the power of the value, by hand", () => {
    const face = paint(3, 1, (x) => [0, 64, 255][x]);
    expect([...apply(face, "gamma=2").data]).toEqual([0, 0, 0, 16, 16, 16, 255, 255, 255]);
    expect([...apply(face, "gamma=0.5").data]).toEqual([0, 0, 0, 128, 128, 128, 255, 255, 255]);
  });
});

describe("turbulence", () => {
  it("shifts by as much as it says, smoothly", () => {
    // On a ramp the value says where it came from.
    const ramp = paint(112, 112, (x) => 2 * x);
    const { data } = apply(ramp, "turbulence=2", 9);
    const shifts = Array.from({ length: 112 * 112 }, (_, at) => (data[3 * at] - 2 * (at % 112)) / 2);
    const inside = shifts.filter((_, at) => at % 112 > 8 && at % 112 < 103);
    expect(Math.sqrt(mean(inside.map((shift) => shift ** 2)))).toBeCloseTo(2, 0);
    const steps = inside.slice(1).map((shift, at) => Math.abs(shift - inside[at]));
    expect(steps.toSorted((a, b) => a - b)[Math.floor(0.95 * steps.length)]).toBeLessThan(1.01);
  });
});

describe("JPEG", () => {
  it.each([10, 30, 60, 90])("at quality %i is what libjpeg leaves", async (quality) => {
    const bytes = await wrap(scene).jpeg({ quality, chromaSubsampling: "4:2:0", mozjpeg: false }).toBuffer();
    const theirs = await unwrap(sharp(bytes));
    const ours = apply(scene, `jpeg=${quality}`);
    expect(psnr(ours, theirs)).toBeGreaterThan(50);
    expect(Math.abs(psnr(ours, scene) - psnr(theirs, scene))).toBeLessThan(0.05);
  });
});

describe("H.264", () => {
  it("leaves flat blocks at the coarsest step and the picture at the finest", () => {
    expect(psnr(apply(scene, "h264=0"), apply(scene, "jpeg=100"))).toBeGreaterThan(45);
    const { data } = apply(gradient(64), "h264=51");
    const block = new Set([0, 1, 2, 3].flatMap((y) => [0, 1, 2, 3].map((x) => data[(y * 64 + x) * 3 + 1])));
    expect(block.size).toBeLessThanOrEqual(2);
  });

  it("doubles its step every six: a lone value survives below three times its step over two", () => {
    // A checkered 4 x 4 block has a single coefficient, 4 x the amplitude; it is kept from 2/3 of the step on.
    const survives = (amplitude: number, parameter: number): boolean => {
      const face = paint(
        16,
        16,
        (x, y) => 128 + (y < 4 && x < 4 ? ((x < 1 || x > 2) === (y < 1 || y > 2) ? amplitude : -amplitude) : 0),
      );
      return worst(apply(face, `h264=${parameter}`).data, paint(16, 16, () => 128).data) > 1;
    };
    // Steps 16 (QP 28) and 64 (QP 40): thresholds 10.7 and 42.7, amplitudes 2.7 and 10.7.
    expect([2, 3].map((amplitude) => survives(amplitude, 28))).toEqual([false, true]);
    expect([10, 11].map((amplitude) => survives(amplitude, 40))).toEqual([false, true]);
  });
});

describe("drawing", () => {
  it("is even over the range, both ends included, and a share is a share", () => {
    const spec = parseDegradation("down=8-10,blur=1-3@0.25,up=any");
    const draws = Array.from({ length: 3000 }, (_, seed) => drawDegradation(spec, seed));
    const stages = draws.flatMap((drawn) => (drawn.kind === "camera" ? drawn.stages : []));
    const downs = stages.filter(({ name }) => name === "down").map(({ value }) => value);
    for (const side of [8, 9, 10]) expect(downs.filter((value) => value === side).length / 3000).toBeCloseTo(1 / 3, 1);
    const blurs = stages.filter(({ name }) => name === "blur").map(({ value }) => value);
    expect(blurs.length / 3000).toBeCloseTo(0.25, 1);
    expect(mean(blurs)).toBeCloseTo(2, 0.7);
    expect(Math.min(...blurs)).toBeGreaterThanOrEqual(1);
    expect(new Set(draws.map((drawn) => drawn.kind === "camera" && drawn.up)).size).toBe(4);
  });

  it("depends on the seed, on the spec's own seed, and on nothing else", () => {
    const [one, other] = ["noise=0-9", "noise=0-9,seed=1"].map(parseDegradation) as [never, never];
    expect(drawDegradation(one, "a", 1)).toEqual(drawDegradation(one, "a", 1));
    expect(drawDegradation(one, "a", 1)).not.toEqual(drawDegradation(one, "a", 2));
    expect(drawDegradation(one, "a", 1)).not.toEqual(drawDegradation(other, "a", 1));
    const later = drawDegradation(parseDegradation("blur=0-1@0.5,noise=0-9"), 3);
    const alone = drawDegradation(parseDegradation("blur=0-1,noise=0-9"), 3);
    expect(later.kind === "camera" && later.stages.at(-1)).toEqual(alone.kind === "camera" && alone.stages.at(-1));
  });

  it("at its mildest takes each stage's least harmful value", () => {
    const mildest = mildestDegradation(parseDegradation("down=8-24,blur=0.5-2,gamma=0.5-2,gamma=1.5-2,jpeg=20-80@0.5"));
    expect(mildest.kind === "camera" && mildest.stages.map(({ value }) => value)).toEqual([24, 0.5, 1, 1.5, 80]);
  });
});

describe("the spelling of a camera", () => {
  const kernels = ["area", "bilinear", "bicubic", "nearest", "lanczos"];
  it.each([
    ["down=8-24", "down=8-24"],
    [" down=8-24:area , noise=3-3 ", "down=8-24,noise=3"],
    [`down=9:${kernels.join("+")},up=bilinear,seed=0`, "down=9:any"],
    [
      "blur=0-2,down=32:bicubic+lanczos,jpeg=20-80@.5,down=8,up=any,seed=3",
      "blur=0-2,down=32:bicubic+lanczos,jpeg=20-80@0.5,down=8,up=any,seed=3",
    ],
  ])("%j is printed as %j and read back", (text, printed) => {
    expect(printDegradation(parseDegradation(text))).toBe(printed);
    expect(parseDegradation(printed)).toEqual(parseDegradation(text));
  });

  it.each([
    ["down=1", /whole number from 2/],
    ["down=8.5", /whole number/],
    ["down=24-8", /LOW not above HIGH/],
    ["down=8:cubic", /down takes area/],
    ["up=area,down=8", /up takes bilinear/],
    ["up=any", /does nothing/],
    ["blur=2:any", /only down and up take kernels/],
    ["blur=-1", /is not a stage/],
    ["blur=1e9", /is not a stage/],
    ["blur=99", /from 0 to 64/],
    ["fog=3", /is not a stage; .* down, blur/],
    ["noise=1@0", /above 0 and at most 1/],
    ["noise=1@1.5", /above 0 and at most 1/],
    ["noise=1,seed=x", /whole number/],
    ["constructor=1", /is not a stage/],
    [Array.from({ length: 33 }, () => "blur=1").join(), /33 stages; 32 are the most/],
  ])("refuses %j", (text, reason) => {
    expect(() => parseDegradation(text)).toThrow(reason);
    expect(() => parseDegradation(text)).toThrow(/unknown degradation/);
  });
});

describe("degrading in threads", () => {
  it("gives the same bits whatever the number of threads", async () => {
    const spec = parseDegradation(
      "turbulence=1,blur=0-2,down=8-24:any,shot=0-20,noise=0-10,jpeg=20-80,h264=20-40,up=any",
    );
    const requests = Array.from({ length: 40 }, (_, image) => ({
      source: { kind: "synthetic", seed: 2, person: image % 7, image } as const,
      flip: image % 2 === 0,
      degrade: drawDegradation(spec, image),
    }));
    const planes = await Promise.all(
      [0, 1, 3].map(async (threads) => {
        await using loader = openLoader({ size: 56, threads });
        return await loader.load(requests);
      }),
    );
    expect(planes[1]).toEqual(planes[0]);
    expect(planes[2]).toEqual(planes[0]);
  });
});
