import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { architectureNames, buildNetwork, parseArchitecture, printArchitecture } from "../../src/backbones/index.ts";
import { PetalfaceError } from "../../src/errors.ts";

const failure = (text: string): Error | undefined => {
  try {
    parseArchitecture(text);
    return undefined;
  } catch (error) {
    return error as Error;
  }
};

const numbers = (text: string): number => {
  const { tensors } = buildNetwork(parseArchitecture(text).architecture);
  return [...tensors]
    .filter(([name]) => !name.includes(".running_"))
    .reduce((sum, [, shape]) => sum + shape.reduce((product, side) => product * side, 1), 0);
};

describe("architectures", () => {
  it("have the number of weights that their authors give", () => {
    // METHOD.md, oracle/full; r200 and the IR networks as counted from their definitions.
    expect(numbers("swin_256new")).toBe(213_666_768);
    expect(numbers("vit_b")).toBe(113_833_472);
    expect(numbers("r18")).toBe(24_025_600);
    expect(numbers("r100")).toBe(65_156_160);
    expect(numbers("mbf")).toBe(2_059_520);
    // Without the two learnt vectors of the last normalisation, and without convolutions beside the
    // first stage's identity.
    expect(numbers("ir_50")).toBe(numbers("r50") - 2 * 512 - (64 * 64 + 2 * 64));
    expect(numbers("mobilefacenet-foamliu")).toBe(999_936);
  });

  it("are printed so that they are read again", () => {
    for (const name of architectureNames) {
      const { architecture } = parseArchitecture(name);
      expect(parseArchitecture(printArchitecture(architecture)).architecture).toEqual(architecture);
    }
  });

  it("take sizes, an adapter's rank and scale, and the order of planes", () => {
    const text = "swin:image=120,patch=6,dims=384/768/1536,depths=2/18/2,heads=8/16/16,window=5,rank=8,scale=1";
    expect(parseArchitecture(text)).toEqual({ ...parseArchitecture("swin_256new_iqa"), rank: 8 });
    expect(parseArchitecture("ir_101:channels=bgr,scale=0.5")).toMatchObject({ channels: "bgr", scale: 0.5 });
    expect(parseArchitecture("adaface_ir_50")).toEqual({ ...parseArchitecture("ir_50"), channels: "bgr" });
    expect(parseArchitecture("vit_b:mlp=3").architecture.shape).toMatchObject({ depth: 24, mlp: 3 });
  });

  it.each([
    ["resnet50", "known: swin"],
    ["constructor", "known: swin"],
    ["", "known: swin"],
    ["swin:heads=7/16/16", "heads"],
    ["swin:dims=8/16", "one of each"],
    ["swin:image=121", "divide"],
    ["swin:window=7", "windows of 7"],
    ["swin:image=1024,patch=1,window=32,mask=1", "too many for a mask"],
    ["swin:dims=", "number"],
    ["vit:dim=99999999999", "number from"],
    ["vit:depth=1e3", "number from"],
    ["vit:patch=113", "fit"],
    ["vit:colour=3", "it has image"],
    ["vit:__proto__=3", "it has image"],
    ["iresnet:depth=51", "depth is one of 18, 34"],
    ["mbf:blocks=1/2", "four"],
    ["r50:scale=nan", "factor"],
    ["r50:channels=grb", "rgb or bgr"],
  ])("refuses %j in one line", (text, part) => {
    const error = failure(text);
    expect(error).toBeInstanceOf(PetalfaceError);
    expect((error as PetalfaceError).exitCode).toBe(2);
    expect(error?.message).toContain(part);
    expect(error?.message).not.toContain("\n");
  });

  it("refuses or builds whatever is written", () => {
    const key = fc.constantFrom("image", "patch", "dims", "depths", "heads", "window", "depth", "dim", "mask", "x");
    const value = fc.oneof(fc.integer({ min: -2, max: 70 }).map(String), fc.constantFrom("8/16/32", "2/2", "", "a"));
    const pair = fc.tuple(key, value).map(([name, text]) => `${name}=${text}`);
    fc.assert(
      fc.property(fc.constantFrom("swin", "vit", "iresnet"), fc.array(pair, { maxLength: 3 }), (name, pairs) => {
        const text = `${name}:${pairs.join(",")}`;
        const error = failure(text);
        if (error === undefined)
          expect(buildNetwork(parseArchitecture(text).architecture).tensors.size).toBeGreaterThan(9);
        else expect(error).toBeInstanceOf(PetalfaceError);
      }),
      { numRuns: 60 },
    );
  });
});
