import { otherFormat, type Tensor } from "onnx-grad";
import type { InferenceSession } from "onnxruntime-node";
import { messageOf, PetalfaceError } from "../errors.ts";
import { engineReason } from "./engine.ts";
import { loadOnnxruntime } from "./onnxruntime.ts";
import { runSession } from "./tensors.ts";

/** An input or output of a model file. */
export interface Port {
  readonly name: string;
  readonly dtype: string;
  /** Undefined where the file leaves a dimension open. */
  readonly dims: readonly (number | undefined)[];
}

/**
 * A model file that runs as it is: nothing of it is differentiated, rewritten or checked by
 * petalface.
 */
export interface FileSession {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Runs the model once. Inputs and outputs are row-major tensors by name. */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  close(): Promise<void>;
}

/**
 * Loads an ONNX file on the CPU with every optimisation of onnxruntime, for models that petalface
 * only uses (face detectors). The same threads give the same bits.
 *
 * @param threads threads inside one operator
 * @throws PetalfaceError where onnxruntime refuses the file
 */
export async function openModelFile(path: string, threads: number): Promise<FileSession> {
  const onnxruntime = await loadOnnxruntime();
  let session: InferenceSession;
  try {
    session = await onnxruntime.InferenceSession.create(path, {
      executionProviders: ["cpu"],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      // Convolutions in blocked layout: a detector takes a third of the time that "extended" takes.
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
  } catch (error) {
    const other = otherFormat(path);
    if (other !== undefined) throw new PetalfaceError("PETAL_MODEL_DAMAGED", `${path}: ${other}`, { cause: error });
    const reason = engineReason(messageOf(error));
    throw new PetalfaceError(
      "PETAL_MODEL_DAMAGED",
      `onnxruntime could not load ${path}: ${reason}; give an ONNX file`,
      { cause: error },
    );
  }
  return {
    inputs: session.inputMetadata.map(portOf),
    outputs: session.outputMetadata.map(portOf),
    run: (feeds) => runSession(onnxruntime, session, feeds),
    close: () => session.release(),
  };
}

function portOf(metadata: InferenceSession.ValueMetadata): Port {
  if (!metadata.isTensor) return { name: metadata.name, dtype: "no tensor", dims: [] };
  const dims = metadata.shape.map((dim) => (typeof dim === "number" && dim >= 0 ? dim : undefined));
  return { name: metadata.name, dtype: metadata.type, dims };
}
