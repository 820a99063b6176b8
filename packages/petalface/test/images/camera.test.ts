import fc from "fast-check";
import { lastOf } from "onnx-grad";
import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { resample } from "../../src/images/camera/index.ts";
import { type Degradation, degrade, drawDegradation, type Pixels, parseDegradation } from "../../src/images/index.ts";
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

const nothing = [
  ...["blur=0", "defocus=0", "motion=0", "turbulence=0", "noise=0", "shot=0", "gamma=1", "down=112"],
  ...["sharpen=0", "jitter=0", "grey=0"],
];

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
  // Beyond a ratio of two libvips averages whole pixels first; that, and how it enlarges, is
  // another filter.
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

describe("sharpening", () => {
  it("adds the difference from a Gaussian blur of one pixel, by hand", () => {
    const step = paint(21, 5, (x) => (x < 10 ? 100 : 140));
    // Normal weights of sigma 1 from -4 to 4; the face right of the edge is at column 10.
    const weights = Array.from({ length: 9 }, (_, at) => Math.exp(-((at - 4) ** 2) / 2));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const soft = (x: number): number =>
      weights.reduce((total, weight, at) => total + (weight / sum) * (x + at - 4 < 10 ? 100 : 140), 0);
    const { data } = apply(step, "sharpen=2");
    for (const x of [8, 9, 10, 11]) {
      const value = x < 10 ? 100 : 140;
      // Rounded before (half a level, doubled) and after.
      expect(Math.abs(data[(2 * 21 + x) * 3] - (3 * value - 2 * soft(x)))).toBeLessThanOrEqual(1.5);
    }
    expect(data[(2 * 21 + 4) * 3]).toBe(100);
  });
});

describe("jitter", () => {
  /** The map of a jitter, read off two ramps: a turn, a scale and the shift of the middle. */
  function mapOf(seed: number, text: string) {
    const across = apply(
      paint(112, 112, (x) => 2 * x),
      text,
      seed,
    ).data;
    const down = apply(
      paint(112, 112, (_, y) => 2 * y),
      text,
      seed,
    ).data;
    const at = (data: Uint8Array, x: number, y: number): number => data[(y * 112 + x) * 3] / 2;
    const [xx, xy] = [(at(across, 95, 55) - at(across, 15, 55)) / 80, (at(across, 55, 95) - at(across, 55, 15)) / 80];
    const [yx, yy] = [(at(down, 95, 55) - at(down, 15, 55)) / 80, (at(down, 55, 95) - at(down, 55, 15)) / 80];
    return { xx, xy, yx, yy, right: 55 - at(across, 55, 55), low: 55 - at(down, 55, 55) };
  }

  it("is a similarity within its limits, drawn on both sides of nothing", () => {
    const maps = Array.from({ length: 60 }, (_, seed) => mapOf(seed, "jitter=6"));
    for (const { xx, xy, yx, yy, right, low } of maps) {
      expect(xx).toBeCloseTo(yy, 1.5);
      expect(xy).toBeCloseTo(-yx, 1.5);
      expect(Math.abs(Math.log(Math.hypot(xx, yx)))).toBeLessThan(0.06 + 0.015);
      expect(Math.abs(Math.atan2(yx, xx))).toBeLessThan(0.06 + 0.015);
      expect(Math.abs(right)).toBeLessThan(0.06 * 112 * 1.1 + 1);
      expect(Math.abs(low)).toBeLessThan(0.06 * 112 * 1.1 + 1);
    }
    for (const of of [
      (map: (typeof maps)[number]) => map.right / 6.72,
      (map: (typeof maps)[number]) => map.low / 6.72,
      (map: (typeof maps)[number]) => Math.log(Math.hypot(map.xx, map.yx)) / 0.06,
      (map: (typeof maps)[number]) => Math.atan2(map.yx, map.xx) / 0.06,
    ]) {
      const values = maps.map(of);
      expect(Math.max(...values)).toBeGreaterThan(0.7);
      expect(Math.min(...values)).toBeLessThan(-0.7);
      expect(Math.abs(mean(values))).toBeLessThan(0.3);
    }
  });
});

describe("colour", () => {
  const orange = paint(2, 1, (_x, _y, channel) => [200, 100, 50][channel]);

  it("goes to luma, by hand", () => {
    // 0.299 x 200 + 0.587 x 100 + 0.114 x 50 = 124.2
    expect([...apply(orange, "grey=1").data]).toEqual([124, 124, 124, 124, 124, 124]);
    expect([...apply(orange, "grey=0.5").data]).toEqual([162, 112, 87, 162, 112, 87]);
  });

  it("is seen by infrared as red light sees it, and lit from the middle", () => {
    const flat = (red: number, blue: number) => paint(64, 64, (_x, _y, channel) => [red, 100, blue][channel]);
    for (const seed of [1, 2, 3]) {
      const [warm, cold] = [apply(flat(160, 60), "ir=0", seed), apply(flat(60, 160), "ir=0", seed)];
      expect(mean([...warm.data])).toBeGreaterThan(mean([...cold.data]) + 15);
      expect(new Set(warm.data).size).toBe(1);
      const { data } = apply(flat(120, 120), "ir=3", seed);
      const pixel = (x: number, y: number): number => data[(y * 64 + x) * 3];
      const corners = [pixel(0, 0), pixel(0, 63), pixel(63, 0), pixel(63, 63)];
      expect(pixel(32, 32)).toBeGreaterThan(Math.max(...corners));
      expect(pixel(32, 32)).toBeGreaterThan(mean(corners) + 30);
      // The light in all is that of before, as long as nothing is clipped.
      const light = mean(Array.from(data, (value) => (value / 255) ** 2.2));
      expect(light).toBeCloseTo(mean(Array.from(apply(flat(120, 120), "ir=0", seed).data, (v) => (v / 255) ** 2.2)), 2);
    }
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
    // A checkered 4 x 4 block has a single coefficient, 4 x the amplitude; it is kept from 2/3 of
    // the step on.
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
