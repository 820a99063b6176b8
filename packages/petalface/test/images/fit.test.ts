import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openData } from "../../src/data/index.ts";
import { describedSize, describeFace, distanceTo } from "../../src/images/fit/describe.ts";
import { searchCube } from "../../src/images/fit/search.ts";
import {
  drawDegradation,
  encodePixels,
  fitCamera,
  fromPlanes,
  type ImageSource,
  type Loader,
  openLoader,
  parseDegradation,
  printDegradation,
} from "../../src/images/index.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-fit-");
let loader: Loader;
let faces: readonly ImageSource[];

beforeAll(async () => {
  loader = openLoader({ size: describedSize, threads: 2, cacheBytes: 16 * 2 ** 20 });
  faces = await peopleOf("synthetic:people=16,images=1,seed=3");
});
afterAll(async () => {
  await loader.close();
});

async function peopleOf(spec: string): Promise<ImageSource[]> {
  const data = await openData(spec);
  return Array.from({ length: data.length }, (_, at) => data.at(at).source);
}

/** Crops of other people by a known camera, as files. */
async function cropsOf(camera: string): Promise<ImageSource[]> {
  const spec = parseDegradation(camera);
  const people = await peopleOf("synthetic:people=44,images=1,seed=8");
  const planes = await loader.load(
    people.map((source, at) => ({ source, flip: false, degrade: drawDegradation(spec, "known", at) })),
  );
  const place = join(folder, camera.replaceAll(/[^a-z0-9]+/g, "-"));
  await mkdir(place);
  const bytes = 3 * describedSize ** 2;
  return Promise.all(
    people.map(async (_, at): Promise<ImageSource> => {
      const path = join(place, `${at}.png`);
      const data = fromPlanes(planes.subarray(at * bytes, (at + 1) * bytes));
      await writeFile(path, await encodePixels({ data, width: describedSize, height: describedSize }));
      return { kind: "file", path };
    }),
  );
}

const effort = { faces: 10, population: 10, rounds: 6 };

describe("fitCamera", () => {
  const known: readonly [camera: string, side: number, grey: boolean][] = [
    ["jitter=0-6,down=9-13,noise=0-6,jpeg=60-80", 11, false],
    ["jitter=0-6,down=22-34,noise=10-20,grey=1", 28, true],
  ];

  it.each(known)("finds the resolution, the noise and the colour of %s", async (camera, side, grey) => {
    const fitted = await fitCamera({ crops: await cropsOf(camera), faces, loader, effort });
    const range = (name: string): { low: number; high: number; share: number } => {
      const stage = fitted.spec.stages.find((each) => each.name === name);
      return stage ?? { low: 0, high: 0, share: 0 };
    };
    const down = range("down");
    const found = Math.sqrt(down.low * down.high);
    expect(Math.abs(Math.log2(found / side))).toBeLessThan(0.35);
    expect(range("grey").share).toBe(grey ? 1 : 0);
    // The mean of noise from 0 to N is N / 2.
    const noise = range("noise").high / 2;
    if (grey) expect(noise).toBeGreaterThan(5);
    else expect(noise).toBeLessThan(7);
    // It fits better than any camera by name, and is a spec that can be written down and read.
    expect(fitted.distance).toBeLessThan(Math.min(...Object.values(fitted.presets)));
    expect(parseDegradation(printDegradation(fitted.spec))).toEqual(fitted.spec);
  });

  it("gives the same spec again, and refuses a handful of crops", async () => {
    const crops = await cropsOf("down=12,jpeg=50");
    const quick = { faces: 4, population: 4, rounds: 2 };
    const once = await fitCamera({ crops, faces, loader, effort: quick, seed: 4 });
    expect(await fitCamera({ crops, faces, loader, effort: quick, seed: 4 })).toEqual(once);
    await expect(fitCamera({ crops: crops.slice(0, 39), faces, loader })).rejects.toThrow(
      "39 crops of the camera; a fit takes at least 40",
    );
  });
});

describe("the parts of a fit", () => {
  it("describe fewer high frequencies with lower resolution, and colour only where there is some", () => {
    const size = describedSize;
    const wave = (period: number, colour: number): Uint8Array =>
      Uint8Array.from({ length: 3 * size * size }, (_, at) => {
        const x = at % size;
        const shift = at < size * size ? colour : 0;
        return Math.round(120 + 40 * Math.sin((2 * Math.PI * x) / period) + shift);
      });
    const [coarse, fine, red] = [describeFace(wave(28, 0)), describeFace(wave(6, 0)), describeFace(wave(28, 60))];
    // Bands 4 and 9 hold 8 and 37 half periods a face.
    expect(coarse[4]).toBeGreaterThan((coarse[9] ?? 0) + 1);
    expect(fine[9]).toBeGreaterThan((fine[4] ?? 0) + 1);
    expect(red.at(-1)).toBeGreaterThan((coarse.at(-1) ?? 0) + 2);
    expect(distanceTo([coarse, fine])([coarse, fine])).toBe(0);
    expect(distanceTo([coarse, coarse])([fine, fine])).toBeGreaterThan(distanceTo([coarse, coarse])([red, red]));
  });

  it("describe a band by the mean power of its coefficients of the cosine transform", () => {
    const [size, amplitude] = [describedSize, 50];
    for (const [frequency, band, from, to] of [
      [3, 1, 2, 4],
      [9, 4, 8, 11],
      [62, 10, 45, 64],
    ] as const) {
      const wave = (at: number): number => Math.cos((Math.PI * ((at % size) + 0.5) * frequency) / size);
      const planes = Uint8Array.from({ length: 3 * size * size }, (_, at) => Math.round(128 + amplitude * wave(at)));
      let count = 0;
      for (let row = 0; row < 64; row++)
        for (let column = 0; column < 64; column++)
          if (Math.hypot(row, column) >= from && Math.hypot(row, column) < to) count++;
      // A wave of one frequency has all of its power in one coefficient, but for the rounding.
      const power = (amplitude * size) ** 2 / 2 / count;
      expect(describeFace(planes)[band]).toBeCloseTo(Math.log10(power), 2);
    }
  });

  it("search finds the lowest point of a bowl", async () => {
    const goal = [0.2, 0.7, 0.95];
    const bowl = async (points: readonly (readonly number[])[]) =>
      points.map((point) => point.reduce((sum, value, at) => sum + (value - (goal[at] ?? 0)) ** 2, 0));
    const { point } = await searchCube(bowl, { dimensions: 3, population: 20, elite: 5, rounds: 20, seed: 1 });
    point.forEach((value, at) => {
      expect(value).toBeCloseTo(goal[at] ?? 0, 1);
    });
  });
});
