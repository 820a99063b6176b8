import * as ort from "onnxruntime-web/wasm";
import type { Pixels } from "petalface/portable";
import resolution from "../generated/resolution.onnx?url";
import sharpness from "../generated/sharpness.onnx?url";
import { type JudgedMeasure, judgedSide, planesOf } from "./judge.ts";

/** Scores faces of {@link judgedSide} pixels. */
export interface Measure {
  score(face: Pixels): Promise<number>;
  release(): Promise<void>;
}

const files: Readonly<Record<JudgedMeasure, string>> = { resolution, sharpness };

/** Opens one of petalface's own quality measures. */
export async function openMeasure(name: JudgedMeasure): Promise<Measure> {
  const bytes = new Uint8Array(await (await fetch(files[name])).arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  const [input = ""] = session.inputNames;
  const [output = ""] = session.outputNames;
  return {
    async score(face) {
      const dims = [1, 3, judgedSide, judgedSide];
      const { [output]: scores } = await session.run({ [input]: new ort.Tensor("float32", planesOf(face), dims) });
      return Number(scores?.data[0]);
    },
    release: () => session.release(),
  };
}
