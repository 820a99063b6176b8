import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readMetadata, readModel } from "onnx-grad";
import { beforeAll, describe, expect, it } from "vitest";
import { adapterHash, loadAdapter } from "../../src/adapters/index.ts";
import { openBackbone } from "../../src/backbones/index.ts";
import { targetNames } from "../../src/deploy/index.ts";
import { petalface } from "../cli/process.ts";
import { saveDeployed } from "../support/deployed.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-for-");
let common: string[];

beforeAll(async () => {
  const on = await saveDeployed(folder);
  const backbone = await openBackbone(join(folder, "tiny.onnx"));
  await writeFile(join(folder, "det.onnx"), "a detector");
  const cosine = { value: 0.3, low: 0.28, high: 0.32 };
  const all = [{ far: 0.01, cosine, accepted: null, impostors: 5000 }];
  const found = { format: 1, data: "faces", people: 24, faces: 48, all, ranges: [] };
  const belongs = {
    model: backbone.spec.sha256,
    adapter: adapterHash(await loadAdapter(join(folder, "adapter"), backbone)),
  };
  await writeFile(join(folder, "thresholds.json"), JSON.stringify({ ...found, ...belongs }));
  common = ["export", ...on];
});

const filesOf = async (out: string): Promise<string[]> =>
  (await readdir(out, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== ".petalface.sha256")
    .map((entry) => join(entry.parentPath, entry.name).slice(out.length + 1))
    .sort();

describe("petalface export --for", () => {
  it("writes the folders of several products, and says what to do with them", async () => {
    const out = join(folder, "all");
    const which = ["--for", "insightface,immich,frigate,insightface-rest,triton,deepstream,opencv,uniface"];
    const detector = ["--detector", join(folder, "det.onnx")];
    const { code, stdout, stderr } = await petalface([...common, "--out", out, ...which, ...detector]);
    expect(code, stderr).toBe(0);
    expect(await filesOf(out)).toEqual([
      "deepstream/config_infer_secondary.txt",
      "deepstream/recognition.onnx",
      "frigate/facedet/arcface.onnx",
      "immich/detection/model.onnx",
      "immich/recognition/model.onnx",
      "insightface-rest/onnx/custom_rec_model/custom_rec_model.onnx",
      "insightface/detection.onnx",
      "insightface/recognition.onnx",
      "opencv/recognition.onnx",
      "triton/1/model.onnx",
      "triton/config.pbtxt",
      "uniface/recognition.onnx",
    ]);
    expect(await readFile(join(out, "insightface/detection.onnx"), "utf8")).toBe("a detector");
    const triton = await readFile(join(out, "triton/config.pbtxt"), "utf8");
    expect(triton).toContain('name: "triton"');
    expect(triton).toContain('name: "image" data_type: TYPE_FP32 dims: [ 3, 112, 112 ]');
    expect(triton).toContain("dims: [ 6 ]");
    const deepstream = await readFile(join(out, "deepstream/config_infer_secondary.txt"), "utf8");
    expect(deepstream).toMatch(/^onnx-file=recognition\.onnx$/m);
    expect(deepstream).toMatch(/^net-scale-factor=1$/m);
    const printed = stdout.replaceAll(/\s+/g, " ");
    expect(printed).toContain("frigate/facedet/arcface.onnx: data [1, 3, 112, 112] -> ");
    expect(printed).toContain("enrolled faces: nothing to do, frigate embeds their photos");
    expect(printed).toContain("Refresh leaves faces that were found before as they are, and Reset deletes the people");
  });

  it("writes one target into the folder itself, or into the file that is named", async () => {
    const [cache, file] = [join(folder, "model_cache"), join(folder, "arcface.onnx")];
    const into = await petalface([...common, "--out", cache, "--for", "frigate", "--json"]);
    expect(into.code, into.stderr).toBe(0);
    expect(await filesOf(cache)).toEqual(["facedet/arcface.onnx"]);
    expect(JSON.parse(into.stdout)).toMatchObject({
      file: join(cache, "facedet/arcface.onnx"),
      input: "data",
      written: [{ target: "frigate", channels: "bgr", normalize: "127.5,1/127.5" }],
    });
    const alone = await petalface([...common, "--out", file, "--for", "frigate"]);
    expect(alone.code, alone.stderr).toBe(0);
    expect(await readFile(file)).toEqual(await readFile(join(cache, "facedet/arcface.onnx")));
  });

  it("explains every target", async () => {
    const { code, stdout } = await petalface(["export", "--for", "list"]);
    expect(code).toBe(0);
    for (const name of [...targetNames, "plain"]) expect(stdout).toMatch(new RegExp(`^${name}: `, "m"));
    expect(stdout).toContain("python-package/insightface/model_zoo/arcface_onnx.py");
  });

  it("takes levels for converters, with networks of their form", async () => {
    const out = join(folder, "levels");
    const { code, stderr } = await petalface([...common, "--out", out, "--for", "rknn", "--levels", "3"]);
    expect(code, stderr).toBe(0);
    const level = await readModel(join(out, "level-01.onnx"));
    expect(level.opset).toBe(12);
    expect(level.types.get(level.inputs[0])?.shape).toEqual([1, 3, 112, 112]);
  });

  it("writes levels into one file where it is asked for; alpha is exact without", async () => {
    const thresholds = ["--thresholds", join(folder, "thresholds.json")];
    const write = async (out: string, ...args: string[]) => {
      const result = await petalface([...common, "--out", join(folder, out), ...args, "--json"]);
      expect(result.code, result.stderr).toBe(0);
      const { written } = JSON.parse(result.stdout) as { written: { target: string; levels: number | null }[] };
      return Object.fromEntries(written.map(({ target, levels }) => [target, levels]));
    };
    const off = { insightface: null, immich: null, uniface: null, frigate: null };
    expect(await write("default", "--for", "insightface,immich,uniface,frigate")).toEqual(off);
    const nine = ["--for", "uniface,immich", "--levels", "9", ...thresholds];
    expect(await write("asked", ...nine)).toEqual({ uniface: 9, immich: 9 });
    expect(await write("fixed", "--for", "uniface", "--alpha", "0.5")).toEqual({ uniface: null });
    expect(await write("hand.onnx", "--levels", "4")).toEqual({ plain: 4 });
    expect(readMetadata(join(folder, "hand.onnx")).get("petalface.alpha")).toBe("levels:4");
    // Petalface describes such a file with its thresholds, and says why it does not open it.
    const file = join(folder, "asked/uniface/recognition.onnx");
    const inspected = await petalface(["inspect", file]);
    expect(inspected.code, inspected.stderr).toBe(0);
    expect(inspected.stdout.replaceAll(/\s+/g, " ")).toContain("an exported file with alpha in 9 levels");
    expect(inspected.stdout).toContain("false-accept rate 0.01: cosine above 0.300");
    const opened = await petalface(["export", "--model", file, "--out", join(folder, "again.onnx")]);
    expect(opened).toMatchObject({ code: 1, stderr: expect.stringContaining("export without --levels") });
  });

  it("carries thresholds in each network of a folder of levels", async () => {
    const out = join(folder, "levels-thresholds");
    const thresholds = ["--thresholds", join(folder, "thresholds.json")];
    const { code, stdout, stderr } = await petalface([...common, "--out", out, "--levels", "2", ...thresholds]);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("false-accept rate 0.01: cosine above 0.300");
    for (const level of ["level-00.onnx", "level-01.onnx"])
      expect(JSON.parse(readMetadata(join(out, level)).get("petalface.thresholds") ?? "{}")).toMatchObject({
        people: 24,
      });
  });

  it.each([
    [["--for", "frigatte"], 2, "there is no such target; choose among insightface, immich, frigate"],
    [["--for", "frigate", "--batch", "8"], 2, "--batch is decided by --for frigate"],
    [["--for", "frigate,plain"], 2, "name it alone"],
    [["--for", "frigate", "--detector", "d.onnx"], 2, "--detector goes with"],
    [["--for", "frigate", "--levels", "3"], 2, "--for frigate: it cannot run a file of levels"],
    [["--for", "rknn,hailo", "--levels", "3"], 2, "give one target at a time"],
    [["--for", "uniface", "--levels", "3", "--alpha", "0.5"], 2, "--levels rounds the computed alpha"],
    [["--for", "frigate", "--as", "peft"], 2, "--for is for ONNX files"],
    [["--batch", "0"], 2, '--batch is a number of images, or open, not "0"'],
    [["--outputs", "embedding,alpha", "--alpha", "0.5"], 2, "computes no alpha"],
    [["--for", "hailo"], 1, "one network without a gate"],
    [["--mirror", "--levels", "3"], 2, "--levels and --mirror cannot go together"],
    [["--mirror", "--as", "peft"], 2, "--mirror is for ONNX files"],
    [["--mirror", "--alpha", "1"], 2, "--mirror adds nothing at alpha 1"],
    [["--mirror", "--thresholds", "t.json"], 2, "measured without --mirror"],
    [["--mirror", "--for", "hailo", "--alpha", "0.5"], 2, "--for hailo: its converter takes one plain network"],
  ])("refuses %j and writes nothing", async (args, code, message) => {
    const out = join(folder, "refused");
    const result = await petalface([...common, "--out", out, ...args]);
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(message)]);
    expect(await readdir(folder)).not.toContain("refused");
  });
});

describe("petalface export by hand", () => {
  const write = async (...args: string[]) => {
    const path = join(folder, "hand.onnx");
    const { code, stdout, stderr } = await petalface([...common, "--force", "--out", path, "--json", ...args]);
    expect(code, stderr).toBe(0);
    return { graph: await readModel(path), document: JSON.parse(stdout) };
  };

  it("has one output, under the model's own names; alpha only where asked", async () => {
    const { graph } = await write();
    expect([graph.inputs, graph.outputs.length]).toEqual([["image"], 1]);
    const { graph: both } = await write("--outputs", "embedding,alpha");
    expect(both.outputs).toEqual([graph.outputs[0], "alpha"]);
  });

  it("takes names, batch, operator set and feeding", async () => {
    const names = ["--input-name", "data", "--output-name", "fc1", "--batch", "4", "--opset", "11"];
    const { graph, document } = await write(...names, "--fold-normalisation", "--bgr");
    expect([graph.inputs, graph.outputs, graph.opset]).toEqual([["data"], ["fc1"], 11]);
    expect(graph.types.get("data")?.shape).toEqual([4, 3, 112, 112]);
    expect(graph.types.get("fc1")?.shape).toEqual([4, 6]);
    expect(document).toMatchObject({ input: "data", output: "fc1", written: [{ channels: "bgr", normalize: "0,1" }] });
    const { graph: open } = await write("--batch", "open");
    expect(open.types.get("image")?.shape[0]).toEqual({ symbol: "N", times: 1 });
  });

  it("adds mirror images, and leaves out thresholds that were measured without them", async () => {
    const run = join(folder, "mirrored run");
    await cp(join(folder, "adapter"), run, { recursive: true });
    await cp(join(folder, "thresholds.json"), join(run, "thresholds.json"));
    const [, , model = ""] = common;
    const [path, card] = [join(folder, "mirror.onnx"), join(folder, "mirror.md")];
    const args = ["export", "--model", model, "--adapter", run, "--out", path, "--mirror", "--card", card];
    const data = ["--data", "synthetic:people=20,images=2,seed=3"];
    const { code, stderr, stdout } = await petalface([...args, "--precision", "fp16", ...data]);
    expect(code, stderr).toBe(0);
    expect(stderr.replaceAll(/\s+/g, " ")).toContain("thresholds are not carried along");
    expect(stdout).toContain("fp16");
    const metadata = readMetadata(path);
    expect(metadata.get("petalface.mirror")).toBe("1 - alpha");
    expect(metadata.has("petalface.thresholds")).toBe(false);
    expect(await readFile(card, "utf8")).toContain("the mirror image, weighted by 1 - alpha. Results are without it.");
    const inspected = await petalface(["inspect", path]);
    expect(inspected.code, inspected.stderr).toBe(0);
    expect(inspected.stdout).toContain("petalface.mirror: 1 - alpha");
  });

  it("says that a frozen model with mirror images changes all embeddings", async () => {
    const [, , model = ""] = common;
    const out = join(folder, "frozen-mirror.onnx");
    const card = join(folder, "frozen-mirror.md");
    const args = ["export", "--model", model, "--mirror", "--for", "opencv", "--out", out, "--card", card];
    const { code, stdout, stderr } = await petalface(args);
    expect(code, stderr).toBe(0);
    expect(readMetadata(out).get("petalface.mirror")).toBe("1");
    expect(await readFile(card, "utf8")).toContain("the mirror image. Results are without it.");
    expect(stdout.replaceAll(/\s+/g, " ")).toContain("every embedding changes, so embed all of them again");
  });

  it("refuses to add mirror images to a file that has them, in whatever form it was written", async () => {
    const [, , model = ""] = common;
    const [first, again] = [join(folder, "once.onnx"), join(folder, "twice.onnx")];
    const wanted = `${first}: embeds mirror images already; leave out --mirror, or give the model that it was made`;
    for (const form of [
      [],
      ["--for", "opencv"],
      ["--precision", "fp16"],
      ["--precision", "int8"],
      ["--alpha", "0.5"],
    ]) {
      const args = form[0] === "--alpha" ? common : ["export", "--model", model];
      const made = await petalface([...args, "--out", first, "--force", "--mirror", ...form]);
      expect(made.code, made.stderr).toBe(0);
      const refused = await petalface(["export", "--model", first, "--out", again, "--mirror"]);
      expect([refused.code, refused.stderr.replaceAll(/\s+/g, " ")]).toEqual([1, expect.stringContaining(wanted)]);
      // Without it the file is written anew, and says as before that it has them.
      const copied = await petalface(["export", "--model", first, "--out", again, "--force"]);
      expect(copied.code, copied.stderr).toBe(0);
      const weight = form[0] === "--alpha" ? "0.5" : "1";
      expect(readMetadata(again).get("petalface.mirror"), form.join(" ")).toBe(weight);
    }
  });

  it("says in the card of a merged adapter how mirror images are weighted", async () => {
    const card = join(folder, "merged-mirror.md");
    const args = [...common, "--force", "--out", join(folder, "merged-mirror.onnx"), "--mirror", "--card", card];
    for (const [alpha, weight] of [
      ["0", "the mirror image. Results"],
      ["0.25", "the mirror image, weighted by 0.75. Results"],
      ["0.9", "the mirror image, weighted by 0.1. Results"],
    ] as const) {
      const { code, stderr } = await petalface([...args, "--alpha", alpha]);
      expect(code, stderr).toBe(0);
      expect(await readFile(card, "utf8")).toContain(weight);
    }
  });

  it("says that a name is too long, as making a gallery does", async () => {
    const [, , model = ""] = common;
    const long = join(folder, "x".repeat(300));
    for (const args of [
      ["export", "--model", model, "--out", `${long}.onnx`],
      ["gallery", "create", `${long}.db`, "--model", model, "--alpha-range", "0,4"],
    ]) {
      const { code, stderr } = await petalface(args);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^petalface: cannot write .*x\.(onnx|db): its name is too long; choose a shorter one\n$/m);
    }
  });

  it("writes the frozen model where there is no adapter, and says what an adapter is needed for", async () => {
    const path = join(folder, "frozen.onnx");
    const [, , model = ""] = common;
    const args = ["export", "--model", model, "--out", path];
    const { code, stderr } = await petalface([...args, "--for", "opencv"]);
    expect(code, stderr).toBe(0);
    expect((await readModel(path)).opset).toBe(12);
    expect(await petalface([...args, "--alpha", "0.5"])).toMatchObject({ code: 2 });
    expect(await petalface(["export", "--out", path])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("export needs --model"),
    });
  });
});
