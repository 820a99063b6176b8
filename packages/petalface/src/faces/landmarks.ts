import { itemAt, tupleOf } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { type Pixels, printPath } from "../images/index.ts";
import { type FileSession, floatsOf, openModelFile, type Port } from "../runtime/index.ts";
import { resolveDetector } from "./detector.ts";
import {
  centre,
  type FivePoints,
  fitSimilarity,
  inverse,
  mapPoints,
  type Point,
  template,
  transform,
} from "./geometry.ts";
import { warp } from "./warp.ts";

/** A network that finds 68 landmarks in a face that is known roughly. */
export interface Landmarker {
  /** Better five points of the face that has about these; undefined where they span no face. */
  refine(photo: Pixels, about: FivePoints): Promise<FivePoints | undefined>;
  close(): Promise<void>;
}

/** Side of the network's input. */
const side = 64;
/**
 * What the network sees of an aligned 112 px face: a square with this centre and side. Measured to
 * be best (bench -- align).
 */
const seen = { x: 56, y: 70, side: 97 };
/** Where the input has the five points of a face, as it is cut out for the network. */
const inputPoints = mapPoints(template(112), ([x, y]) => [
  ((x + 0.5 - seen.x) * side) / seen.side + side / 2 - 0.5,
  ((y + 0.5 - seen.y) * side) / seen.side + side / 2 - 0.5,
]);
/** Landmarks of the 68 (iBUG 300-W) whose mean each of the five points is. */
const parts = [[36, 37, 38, 39, 40, 41], [42, 43, 44, 45, 46, 47], [30], [48], [54]] as const;

/**
 * Opens a landmark network: one grey face of 64 x 64 in 0..1 to the 68 points of iBUG 300-W in
 * shares of the side, `[1, 136]`.
 *
 * @throws PetalfaceError where the file is none
 */
export async function openLandmarker(nameOrPath: string, threads = 1): Promise<Landmarker> {
  const { path } = await resolveDetector(nameOrPath);
  const session = await openModelFile(path, threads);
  const [[input], [output]] = [session.inputs, session.outputs];
  if (input === undefined || output === undefined || !isLandmarker(session)) {
    await session.close();
    throw new PetalfaceError(
      "PETAL_MODEL_UNSUPPORTED",
      `${printPath(path)} is not a network for 68 landmarks: it must map [1, 1, ${side}, ${side}] into [1, 136]`,
    );
  }
  return {
    async refine(photo, about) {
      const place = fitSimilarity(about, inputPoints);
      if (place === undefined) return undefined;
      const face = warp(photo, place, side);
      const feeds = {
        [input.name]: { dtype: "float32", dims: [1, 1, side, side], data: grey(face) } as const,
      };
      const numbers = floatsOf(await session.run(feeds), output.name);
      const back = inverse(place);
      const landmark = (at: number): Point =>
        transform(back, [itemAt(numbers, 2 * at) * side - 0.5, itemAt(numbers, 2 * at + 1) * side - 0.5]);
      const points = tupleOf(
        parts.map((part) => centre(part.map(landmark))),
        5,
      );
      return points.flat().every(Number.isFinite) ? points : undefined;
    },
    close: () => session.close(),
  };
}

function isLandmarker({ inputs, outputs }: FileSession): boolean {
  const matches = (port: Port | undefined, dims: readonly number[]): boolean =>
    port?.dtype === "float32" &&
    port.dims.length === dims.length &&
    dims.every((dim, at) => (port.dims[at] ?? dim) === dim);
  return (
    inputs.length === 1 &&
    outputs.length === 1 &&
    matches(inputs[0], [1, 1, side, side]) &&
    matches(outputs[0], [1, 136])
  );
}

/** Luma (ITU-R BT.601) in shares of 256, as the network was trained. */
function grey({ data }: Pixels): Float32Array {
  return Float32Array.from({ length: data.length / 3 }, (_, at) => {
    const [red = 0, green = 0, blue = 0] = data.subarray(3 * at, 3 * at + 3);
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 256;
  });
}
