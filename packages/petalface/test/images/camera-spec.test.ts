import { describe, expect, it } from "vitest";
import { cameraPresets } from "../../src/images/camera/index.ts";
import {
  type Degradation,
  drawDegradation,
  mildestDegradation,
  openLoader,
  parseDegradation,
  printDegradation,
} from "../../src/images/index.ts";
import { mean } from "./helpers.ts";

describe("presets and mixtures", () => {
  it("have the ranges that runs were trained with", () => {
    expect(cameraPresets).toMatchInlineSnapshot(`
      {
        "any": "9*down=8-16/4*down=17-24/4*phone/2*cctv/2*night",
        "cctv": "jitter=0-6,gamma=0.6-1.6,down=10-28:area+bilinear,blur=0.2-1,motion=0.5-2.5@0.3,shot=0-10,noise=0-6,blur=0.3-0.7@0.3,sharpen=0-1.2@0.6,h264=18-34,up=bilinear+bicubic",
        "night": "jitter=0-8,ir=0-3@0.6,grey=1,gamma=0.5-1.6,down=10-28:area+bilinear,blur=0.3-1.1,motion=0.5-3@0.3,shot=0-20,noise=0-10,blur=0.3-0.8@0.5,sharpen=0-1@0.5,h264=20-36,up=bilinear+bicubic",
        "phone": "jitter=0-6,gamma=0.6-1.6,down=10-28:area+bilinear+bicubic,blur=0.2-1,motion=0.5-3@0.3,shot=0-12,noise=0-6,sharpen=0-2@0.8,jpeg=30-95,up=bilinear+bicubic",
      }
    `);
  });

  it.each(Object.keys(cameraPresets))("%s is read and printed by its name", (name) => {
    const spec = parseDegradation(name);
    expect(printDegradation(spec)).toBe(name);
    expect(parseDegradation(cameraPresets[name])).toEqual(spec);
  });

  it("give every part its share of the faces", () => {
    const spec = parseDegradation("3*lr:8/down=16,noise=2/2*lr:12");
    expect(printDegradation(spec)).toBe("3*lr:8/down=16,noise=2/2*lr:12");
    const drawn = Array.from({ length: 3000 }, (_, seed) => drawDegradation(spec, seed));
    const share = (test: (each: Degradation) => boolean): number => drawn.filter(test).length / drawn.length;
    expect(share((each) => each.kind === "lr" && each.pixels === 8)).toBeCloseTo(1 / 2, 1);
    expect(share((each) => each.kind === "lr" && each.pixels === 12)).toBeCloseTo(1 / 3, 1);
    expect(share((each) => each.kind === "camera")).toBeCloseTo(1 / 6, 1);
    expect(drawDegradation(spec, "a", 1)).toEqual(drawDegradation(spec, "a", 1));
  });

  it("may hold presets, whose parts share their weight", () => {
    const spec = parseDegradation("any/lr:10");
    const shares = spec.kind === "mixture" ? spec.parts.map(({ share }) => share) : [];
    expect(shares.map((share) => share * 42)).toEqual([9, 4, 4, 2, 2, 21].map((weight) => expect.closeTo(weight, 9)));
    expect(parseDegradation(printDegradation(spec))).toEqual({
      kind: "mixture",
      parts: spec.kind === "mixture" && spec.parts.map((part) => ({ ...part, share: expect.closeTo(part.share, 9) })),
    });
  });

  it("are mildest where most pixels are left", () => {
    expect(mildestDegradation(parseDegradation("lr:8/lr:20/down=4-16"))).toEqual({ kind: "lr", pixels: 20 });
    const best = mildestDegradation(parseDegradation("lr:20/down=4-32,noise=2-9"));
    expect(best.kind === "camera" && best.stages.map(({ value }) => value)).toEqual([32, 2]);
  });

  it.each([
    ["lr:8/", /is none/],
    ["lr:8/fog=3", /fog=3.* is not a stage/],
    ["0*lr:8/lr:9", /above 0/],
    ["lr:8/nowhere", /"nowhere" is none/],
    ["lr:1/lr:9", /"lr:1" is none/],
    [Array.from({ length: 33 }, () => "lr:8").join("/"), /33 parts; 32 are the most/],
  ])("refuse %j", (text, reason) => {
    expect(() => parseDegradation(text)).toThrow(reason);
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
      "jitter=0-6,turbulence=1,ir=0-3@0.5,blur=0-2,down=8-24:any,shot=0-20,noise=0-10,sharpen=0-2,jpeg=20-80,h264=20-40,up=any",
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
