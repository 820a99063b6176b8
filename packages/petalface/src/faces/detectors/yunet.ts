import type { Detection } from "../nms.ts";
import { floats, type Recognise } from "./layout.ts";
import { fivePoints } from "./scrfd.ts";

const strides = [8, 16, 32] as const;

/**
 * YuNet (Wu et al., Machine Intelligence Research 2023), as libfacedetection.train exports it and
 * OpenCV's model zoo carries it: for each stride `cls_S`, `obj_S` `[1, n, 1]`, `bbox_S`
 * `[1, n, 4]`, `kps_S` `[1, n, 10]`. BGR, 0..255. The score is the geometric mean of class and
 * objectness; the centre and the points are in strides from the cell's corner, the sides the
 * exponential of what is put out.
 */
export const recogniseYunet: Recognise = ({ outputs }) => {
  const names = new Set(outputs.map(({ name }) => name));
  const wanted = strides.flatMap((stride) => ["cls", "obj", "bbox", "kps"].map((what) => `${what}_${stride}`));
  if (!wanted.every((name) => names.has(name))) return undefined;
  return {
    kind: "yunet",
    hasPoints: true,
    mean: [0, 0, 0],
    scale: 1,
    channels: "bgr",
    threshold: 0.6,
    overlap: 0.3,
    multiple: 32,
    decode(results, width, _height, least) {
      const found: Detection[] = [];
      for (const stride of strides) {
        const columns = Math.floor(width / stride);
        const output = (what: string): Float32Array => floats(results, `${what}_${stride}`);
        const [classes, objects, boxes, points] = [output("cls"), output("obj"), output("bbox"), output("kps")];
        for (let at = 0; at < classes.length; at++) {
          const score = Math.sqrt(unit(classes[at]) * unit(objects[at]));
          if (!(score >= least)) continue;
          const [column, row] = [at % columns, Math.floor(at / columns)];
          const x = (column + boxes[4 * at]) * stride;
          const y = (row + boxes[4 * at + 1]) * stride;
          const halfWidth = (Math.exp(boxes[4 * at + 2]) * stride) / 2;
          const halfHeight = (Math.exp(boxes[4 * at + 3]) * stride) / 2;
          found.push({
            score,
            box: [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight],
            points: fivePoints(points, 10 * at, (value, axis) => ((axis === 0 ? column : row) + value) * stride),
          });
        }
      }
      return found;
    },
  };
};

const unit = (value: number): number => Math.min(Math.max(value, 0), 1);
