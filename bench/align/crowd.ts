import { availableParallelism } from "node:os";
import { type Box, type Detector, findFaces, openDetector } from "petalface/faces";
import { type Pixels, resize } from "petalface/images";
import { paste } from "../skeleton/pixels.ts";
import { decodeSamplePhoto, readSample } from "./sample.ts";

/** Far faces of a frame: how many, in columns and rows, and their widths in pixels. */
export const crowd = { faces: 24, columns: 8, least: 12, most: 24 } as const;
const frame = { width: 1280, height: 720 } as const;
/**
 * A face's box is so many distances between its eyes wide and high, its middle so far below the
 * eyes (medians of SCRFD's).
 */
const faceBox = { width: 2.3, height: 3, below: 0.55 } as const;
/** What of a photo is pasted, in sides of the face's box. */
const margin = 1.3;

/** A frame like a camera's, and where its far faces are. */
interface Frame {
  readonly pixels: Pixels;
  readonly far: readonly Box[];
}

/**
 * A frame of 1280 x 720 with 24 faces of 12 to 24 px all over it. Behind them lies a photo of the
 * sample that fills the frame: with `near` as it is, its face about 450 px wide; else blurred until
 * no face is left.
 *
 * @param number which frame; each has other photos
 */
async function crowdFrame(number: number, near: boolean): Promise<Frame> {
  const { pixels: behind } = await samplePhoto(25 * number);
  const whole = resize(near ? behind : resize(behind, 6, 6), frame.width, frame.width);
  const from = 3 * frame.width * Math.floor((frame.width - frame.height) / 2);
  const pixels = { ...frame, data: whole.data.slice(from, from + 3 * frame.width * frame.height) };
  const far: Box[] = [];
  for (let at = 0; at < crowd.faces; at++) {
    const width = crowd.least + ((crowd.most - crowd.least) * at) / (crowd.faces - 1);
    // Neighbours have different sizes.
    const place = (5 * at) % crowd.faces;
    const [column, row] = [place % crowd.columns, Math.floor(place / crowd.columns)];
    far.push(await pasteFace(pixels, 25 * number + 1 + at, width, [80 + 160 * column, 60 + 300 * row]));
  }
  return { pixels, far };
}

async function samplePhoto(number: number) {
  const photos = readSample();
  return await decodeSamplePhoto(photos[number % photos.length]);
}

/** Draws the face of a photo `width` pixels wide with its middle at `place`; returns its box. */
async function pasteFace(onto: Pixels, number: number, width: number, [x, y]: readonly [number, number]): Promise<Box> {
  const { pixels, landmarks } = await samplePhoto(number);
  const [ax = 0, ay = 0, bx = 0, by = 0] = landmarks;
  const eyes = Math.hypot(ax - bx, ay - by);
  const scale = width / (faceBox.width * eyes);
  const drawn = resize(pixels, Math.round(pixels.width * scale), Math.round(pixels.height * scale));
  const [middleX, middleY] = [((ax + bx) / 2) * scale, ((ay + by) / 2 + faceBox.below * eyes) * scale];
  const [halfWidth, halfHeight] = [width / 2, (faceBox.height * eyes * scale) / 2];
  const [left, top] = [Math.round(x - middleX), Math.round(y - middleY)];
  const within = (edge: number): number => Math.min(drawn.width, Math.max(0, Math.round(edge)));
  const columns = [within(middleX - margin * halfWidth), within(middleX + margin * halfWidth)] as const;
  const upper = Math.max(0, Math.round(middleY - margin * halfHeight));
  const lower = Math.min(drawn.height, Math.floor(middleY + margin * halfHeight) + 1);
  paste(onto, drawn, [left, top], columns, [upper, lower]);
  const centre = [left + middleX, top + middleY] as const;
  return [centre[0] - halfWidth, centre[1] - halfHeight, centre[0] + halfWidth, centre[1] + halfHeight];
}

/**
 * How many of a frame's far faces were found, and what else was taken for a face but is not the
 * near one.
 */
export interface CrowdCount {
  readonly found: number;
  readonly wrong: number;
}

/**
 * A face is found where a box of half to twice its width has its middle in it; each box finds one
 * face.
 */
async function countFrame({ pixels, far }: Frame, detector: Detector): Promise<CrowdCount> {
  const boxes = ((await findFaces(pixels, detector, { all: true }))?.faces ?? []).map(({ box }) => box);
  let found = 0;
  for (const face of far) {
    const at = boxes.findIndex((box) => {
      const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
      const ratio = (box[2] - box[0]) / (face[2] - face[0]);
      return x > face[0] && x < face[2] && y > face[1] && y < face[3] && ratio > 0.5 && ratio < 2;
    });
    if (at < 0) continue;
    boxes.splice(at, 1);
    found++;
  }
  // The near face is wider than any other; one box of it is right.
  const near = boxes.filter((box) => box[2] - box[0] > frame.width / 5).length;
  return { found, wrong: boxes.length - Math.min(near, 1) };
}

/** Looks for the faces of some frames, with and without a near face. Needs PETALFACE_SHARED. */
export async function measureCrowd(
  file: string,
  frames: number,
): Promise<{ readonly alone: readonly CrowdCount[]; readonly behind: readonly CrowdCount[] }> {
  const detector = await openDetector(file, availableParallelism());
  const count = async (near: boolean): Promise<CrowdCount[]> => {
    const counts: CrowdCount[] = [];
    for (let number = 0; number < frames; number++)
      counts.push(await countFrame(await crowdFrame(number, near), detector));
    return counts;
  };
  const counts = { alone: await count(false), behind: await count(true) };
  await detector.close();
  return counts;
}
