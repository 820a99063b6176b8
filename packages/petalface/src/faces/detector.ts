import { itemAt, type Tensor } from "onnx-grad";
import { messageOf, PetalfaceError } from "../errors.ts";
import type { Pixels } from "../images/index.ts";
import { printPath } from "../images/index.ts";
import { knownDetectors, type ResolvedModel, resolveModel } from "../models/index.ts";
import { type FileSession, openModelFile, type Port } from "../runtime/index.ts";
import type { DetectorKind, Layout } from "./detectors/layout.ts";
import { fillPlanes } from "./detectors/planes.ts";
import { recogniseRetinaface } from "./detectors/retinaface.ts";
import { recogniseScrfd } from "./detectors/scrfd.ts";
import { recogniseUltraface } from "./detectors/ultraface.ts";
import { recogniseYunet } from "./detectors/yunet.ts";

import { type Detection, suppress } from "./nms.ts";

/** A face detector of any kind. */
export interface Detector {
  readonly kind: DetectorKind;
  /** Whether it gives five points, not only boxes. */
  readonly hasPoints: boolean;
  /** Sides of its input where the file fixes them; else any multiples of `multiple`. */
  readonly canvas: { readonly width: number; readonly height: number } | undefined;
  readonly multiple: number;
  /** Scores from which on a box counts as a face. */
  readonly threshold: number;
  /**
   * Finds faces.
   *
   * @param canvas pixels of exactly the detector's canvas
   * @param least lowest score that is wanted
   * @returns faces in pixels of the canvas, best first, each once
   */
  detect(canvas: Pixels, least: number): Promise<Detection[]>;
  close(): Promise<void>;
}

/**
 * Most particular first: an SCRFD without points and an UltraFace differ only in the number of
 * outputs.
 */
const kinds = [recogniseYunet, recogniseRetinaface, recogniseUltraface, recogniseScrfd];

/**
 * Opens a face detector: the file's inputs and outputs say of which kind it is (SCRFD, YuNet,
 * RetinaFace, UltraFace).
 *
 * @param nameOrPath an ONNX file, or a name that `petalface models` lists as a detector
 * @param threads threads inside one operator
 * @throws PetalfaceError where there is no such file, or it is not a detector of a known kind
 */
export async function openDetector(nameOrPath: string, threads = 1): Promise<Detector> {
  const { path } = await resolveDetector(nameOrPath);
  const session = await openModelFile(path, threads);
  try {
    return await proven(detectorOf(session, layoutOf(session, path)), path);
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** Finds and fetches a detector's or a landmark model's file. Throws PetalfaceError. */
export const resolveDetector = (nameOrPath: string): Promise<ResolvedModel> =>
  resolveModel(nameOrPath, { known: knownDetectors });

function layoutOf(session: FileSession, path: string): Layout {
  for (const recognise of kinds) {
    const layout = recognise(session);
    if (layout !== undefined && isImage(session.inputs[0])) return layout;
  }
  const outputs = session.outputs.map(({ name, dims }) => `${name} [${dims.map((dim) => dim ?? "?").join(", ")}]`);
  throw new PetalfaceError(
    "PETAL_MODEL_UNSUPPORTED",
    `${printPath(path)} is not a known kind of face detector (SCRFD, YuNet, RetinaFace, UltraFace): its outputs are ${outputs.slice(0, 4).join(", ")}${outputs.length > 4 ? ", ..." : ""}`,
  );
}

/** One photo of three channels, channels first. */
function isImage(port: Port | undefined): boolean {
  return (
    port?.dtype === "float32" && port.dims.length === 4 && [1, undefined].includes(port.dims[0]) && port.dims[1] === 3
  );
}

function detectorOf(session: FileSession, layout: Layout): Detector {
  const { name, dims } = itemAt(session.inputs, 0);
  const [height, width] = [dims[2], dims[3]];
  return {
    kind: layout.kind,
    hasPoints: layout.hasPoints,
    canvas: width === undefined || height === undefined ? undefined : { width, height },
    multiple: layout.multiple,
    threshold: layout.threshold,
    async detect(canvas, least) {
      const input = new Float32Array(3 * canvas.width * canvas.height);
      fillPlanes(input, canvas, layout);
      const tensor: Tensor = { dtype: "float32", dims: [1, 3, canvas.height, canvas.width], data: input };
      const outputs = await session.run({ [name]: tensor });
      const found = layout.decode(outputs, canvas.width, canvas.height, least);
      return suppress(found.filter(isUsable), layout.overlap);
    },
    close: () => session.close(),
  };
}

/** A detector that was seen to answer once: a file may promise other shapes than it gives. */
async function proven(detector: Detector, path: string): Promise<Detector> {
  const { width, height } = detector.canvas ?? { width: detector.multiple * 2, height: detector.multiple };
  try {
    await detector.detect({ width, height, data: new Uint8Array(3 * width * height) }, 0);
    return detector;
  } catch (cause) {
    if (cause instanceof PetalfaceError)
      throw new PetalfaceError("PETAL_MODEL_UNSUPPORTED", `${printPath(path)}: ${cause.message}`, { cause });
    const reason = messageOf(cause).split("\n", 1)[0];
    throw new PetalfaceError(
      "PETAL_MODEL_UNSUPPORTED",
      `${printPath(path)} looks like ${detector.kind} but does not run: ${reason}`,
      { cause },
    );
  }
}

const isUsable = ({ box, points }: Detection): boolean =>
  box.every(Number.isFinite) && (points === undefined || points.flat().every(Number.isFinite));
