import { join } from "node:path";
import { readModel, writeModel } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { adapterChoices, exportModel, loadAdapter, proveSites } from "../../src/adapters/index.ts";
import { openBackbone } from "../../src/backbones/index.ts";
import { type ModelChoices, parseNormalize, printNormalize } from "../../src/models/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type FormOptions, smallRecogniser, smallSize, smallWidth } from "../support/forms.ts";
import { apart, embed, faces, modelsIn, noise } from "./opened.ts";

const folder = temporaryFolder();
const { opened, plainAdapter } = modelsIn(folder);

describe("the form of a model's input and output", () => {
  const raw: ModelChoices = { normalize: "0,1" };
  const forms: [string, FormOptions, ModelChoices][] = [
    ["float64 inside and outside", { dtype: "float64", weights: "float64" }, raw],
    ["float16 at the input", { dtype: "float16" }, raw],
    ["uint8 at the input", { dtype: "uint8" }, {}],
    ["int32 at the input", { dtype: "int32" }, {}],
    ["[N, height, width, 3]", { nhwc: true }, raw],
    ["uint8 [N, height, width, 3]", { nhwc: true, dtype: "uint8" }, {}],
    ["[N, width, 1, 1] at the output", { last: (o, _, x) => [o.unsqueeze(x, [2, 3])] }, raw],
    ["[N, 1, width] at the output", { last: (o, _, x) => [o.unsqueeze(x, [1])] }, raw],
    ["float16 at the output", { last: (o, _, x) => [o.cast(x, "float16")] }, raw],
    ["embedding and norm", { last: (o, _, x) => [o.reduceL2(x, [1]), x] }, raw],
    ["a fixed batch", { shape: [1, 3, smallSize, smallSize] }, raw],
    ["float64 with a fixed batch", { dtype: "float64", shape: [1, 3, smallSize, smallSize] }, raw],
  ];

  it.each(forms)(
    "%s: embeds as the usual form does, and can be adapted and exported",
    async (name, options, choices) => {
      const file = name.replaceAll(/\W+/g, "-");
      const expected = await embed(await opened(`${file}-usual`, {}, raw));
      const backbone = await opened(file, options, choices);
      expect(backbone.size).toBe(smallSize);
      expect(backbone.width).toBe(smallWidth);
      expect(apart(expected, await embed(backbone))).toBeLessThan(name.includes("output") ? 1e-3 : 1e-5);
      const { sites } = await proveSites(backbone);
      expect(sites).toHaveLength(3);
      // The exported file has the interface of the frozen one, and the same embeddings.
      const adapter = await loadAdapter(await plainAdapter(backbone, `${file}-adapter`), backbone);
      const path = join(folder, `${file}-exported.onnx`);
      await exportModel(path, backbone, adapter, 1);
      const [before, after] = [await readModel(backbone.path), await readModel(path)];
      expect(after.inputs).toEqual(before.inputs);
      expect(after.types.get("image")?.dtype).toBe(before.types.get("image")?.dtype);
      expect(after.types.get("image")?.shape.slice(1)).toEqual(before.types.get("image")?.shape.slice(1));
      const [output = ""] = after.outputs;
      expect(after.types.get(output)).toEqual({
        ...before.types.get(output),
        shape: [{ symbol: "N", times: 1 }, ...(before.types.get(output)?.shape.slice(1) ?? [])],
      });
      const again = await openBackbone(path);
      expect(again.source).toBe("metadata");
      expect(apart(expected, await embed(again))).toBeLessThan(name.includes("output") ? 2e-3 : 1e-5);
    },
  );

  it("takes the side of open inputs from --size, and says so", async () => {
    const open = { symbol: "side", times: 1 };
    const shape = [{ symbol: "N", times: 1 }, 3, open, open];
    const graph = smallRecogniser();
    const path = join(folder, "open.onnx");
    const types = new Map([...graph.types, ["image", { dtype: "float32", shape }] as const]);
    await writeModel({ ...graph, types }, path);
    await expect(openBackbone(path)).rejects.toThrow(/height and width of its input "image" are open; .* 'size'/);
    const sized = await openBackbone(path, { size: smallSize, normalize: "0,1" });
    const usual = await opened("fixed", {}, raw);
    expect(await embed(sized)).toEqual(await embed(usual));
    await expect(openBackbone(usual.path, { size: 20 })).rejects.toThrow(/so 'size=20' does not fit; leave it out/);
    // An adapter knows the side.
    const adapter = await plainAdapter(sized, "of-open");
    expect(await adapterChoices(adapter)).toMatchObject({ size: smallSize });
  });

  it("asks which of two embeddings is meant", async () => {
    const options: FormOptions = { last: (o, _, x) => [o.mul(x, 2), x] };
    const path = join(folder, "two.onnx");
    await writeModel(smallRecogniser(options), path);
    const [first = "", second = ""] = (await readModel(path)).outputs;
    await expect(openBackbone(path)).rejects.toThrow(/say which one is the embedding with 'output=NAME'/);
    await expect(openBackbone(path, { output: "nobody" })).rejects.toThrow(/has no embedding output "nobody"/);
    const [a, b] = [await openBackbone(path, { output: first }), await openBackbone(path, { output: second })];
    const [twice, once] = [await embed(a), await embed(b)];
    expect(
      apart(
        twice,
        once.map((value) => 2 * value),
      ),
    ).toBeLessThan(1e-6);
    const adapter = await plainAdapter(a, "of-first");
    await expect(loadAdapter(adapter, b)).rejects.toThrow(/was trained on the output/);
    expect(await adapterChoices(adapter)).toMatchObject({ output: first });
  });

  it("says what is wrong with --normalize where the input takes whole pixels", async () => {
    await expect(opened("bytes", { dtype: "uint8" }, { normalize: "127.5,1/128" })).rejects.toThrow(
      /its input is uint8, so it takes pixels as they are; leave out 'normalize'/,
    );
  });
});

describe("preprocessing", () => {
  const subMul = (centre: number, factor: number): FormOptions => ({
    first: (o, _, x) => o.mul(o.sub(x, centre), factor),
  });
  it.each([
    ["(x - 127.5) / 128, as MXNet's recognisers", subMul(127.5, 1 / 128), "0,1"],
    ["(x - 0.5) / 0.5", { first: (o, _, x) => o.div(o.sub(x, 0.5), 0.5) }, "0,1/255"],
    ["x / 255", { first: (o, _, x) => o.div(x, 255) }, "0,1"],
    [
      "the means and deviations of ImageNet",
      {
        first: (o, _, x) =>
          o.div(o.sub(x, o.floats([0.485, 0.456, 0.406], [1, 3, 1, 1])), o.floats([0.229, 0.224, 0.225], [1, 3, 1, 1])),
      },
      "0,1/255",
    ],
    [
      "a batch normalisation that saw pixels",
      {
        first: (o, b, x) =>
          b.add("BatchNormalization", [
            x,
            ...[
              [1, 1, 1],
              [0, 0, 0],
              [120, 110, 100],
              [4000, 3900, 3800],
            ].map((v) => o.floats(v)),
          ]),
      },
      "0,1",
    ],
  ] satisfies [string, FormOptions, string][])("is found where the model does %s", async (name, options, fed) => {
    const backbone = await opened(`inside-${name.replaceAll(/\W+/g, "-")}`, options);
    expect(backbone.source).toBe("graph");
    expect(printNormalize(backbone.spec)).toBe(fed);
    // What is said still counts.
    const told = await openBackbone(backbone.path, { normalize: "127.5,1/127.5" });
    expect([told.source, printNormalize(told.spec)]).toEqual(["option", "127.5,1/127.5"]);
    // An adapter of earlier versions was trained on what was assumed then.
    const old = await plainAdapter(backbone, `old-${name.replaceAll(/\W+/g, "-")}`, false);
    await expect(loadAdapter(old, backbone)).rejects.toThrow(/give 'normalize=127\.5,1\/127\.5'/);
    await loadAdapter(old, told);
  });

  it("is assumed where the graph shows nothing", async () => {
    const backbone = await opened("nothing", {});
    expect([backbone.source, printNormalize(backbone.spec)]).toEqual(["assumed", "127.5,1/127.5"]);
  });

  it("reads what it prints", () => {
    for (const text of ["127.5,1/128", "0,1", "123.675,116.28,103.53,1/58.395,1/57.12,1/57.375"])
      expect(printNormalize(parseNormalize(text))).toBe(text);
  });

  it("feeds blue first with --channels bgr, and an adapter refuses another order", async () => {
    const swapped = new Uint8Array(noise.length);
    const plane = smallSize ** 2;
    for (let face = 0; face < faces; face++)
      for (let channel = 0; channel < 3; channel++) {
        const from = (3 * face + channel) * plane;
        swapped.set(noise.subarray(from, from + plane), (3 * face + 2 - channel) * plane);
      }
    const rgb = await opened("order", {});
    const bgr = await openBackbone(rgb.path, { channels: "bgr" });
    expect(await embed(bgr, swapped)).toEqual(await embed(rgb));
    const adapter = await plainAdapter(bgr, "of-bgr");
    expect(await adapterChoices(adapter)).toMatchObject({ channels: "bgr", normalize: "127.5,1/127.5" });
    await expect(loadAdapter(adapter, rgb)).rejects.toThrow(/trained with .* 'channels=bgr', and .* 'channels=rgb'/);
    const path = join(folder, "order-exported.onnx");
    await exportModel(path, bgr, await loadAdapter(adapter, bgr), 1);
    expect((await openBackbone(path)).spec.channels).toBe("bgr");
  });
});
