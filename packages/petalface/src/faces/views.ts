import { type Pixels, resize } from "../images/index.ts";
import type { Box, Point } from "./geometry.ts";
import { mapPoints } from "./geometry.ts";
import type { Detection } from "./nms.ts";

/** A part of a photo, drawn at some size somewhere on a detector's canvas; all in whole pixels. */
export interface View {
  /** The part of the photo. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** Where on the canvas, and how large there. */
  readonly x: number;
  readonly y: number;
  readonly drawnWidth: number;
  readonly drawnHeight: number;
  readonly canvasWidth: number;
  readonly canvasHeight: number;
}

/** One try at finding faces: one view, or tiles that cover the photo. */
export interface Attempt {
  /** For people and the manifest. */
  readonly name: "whole" | "border" | "enlarged" | "tiles";
  readonly views: readonly View[];
}

/** A canvas of fixed size, or any with sides that are multiples of `multiple`. */
export interface CanvasRule {
  readonly canvas: { readonly width: number; readonly height: number } | undefined;
  readonly multiple: number;
}

/**
 * Longest side that a photo is looked at with first; of smaller ones, those below `small` are
 * enlarged to `enlargedTo`.
 */
const first = { most: 640, small: 192, enlargedTo: 256 } as const;
/** Longest side that a photo is enlarged to in a second look. */
const second = 1280;
/**
 * Widths of a border about the photo, in shares of its longer side: detectors miss faces that fill
 * the photo.
 */
const borders = [0.4, 1.2];
/** Share of a tile that lies in its neighbour too. */
const overlap = 0.25;
/** Most tiles along a side. */
const mostTiles = 4;
/**
 * The same where every face is wanted, and what a tile shows then, in pixels, on a free canvas: it
 * is drawn 1.6 times as large.
 */
const mostFineTiles = 6;
const fineTile = 400;

/**
 * The tries for a photo, in order; each is made only where those before found nothing (or always,
 * where every face is wanted). A photo is looked at whole, reduced to 640 px or, if small, enlarged
 * to 256; then with a border, and a wider one; then at twice the size; then, where it is larger
 * than what was looked at so far, in overlapping tiles.
 *
 * @param all every face is wanted: the tiles are finer, so that also faces of 12 px are found in a
 * photo of 1280 px
 */
export function attemptsFor(width: number, height: number, rule: CanvasRule, all = false): Attempt[] {
  const long = Math.max(width, height);
  const scale = long > first.most ? first.most / long : long < first.small ? first.enlargedTo / long : 1;
  const whole = { left: 0, top: 0, width, height };
  const attempts: Attempt[] = [
    { name: "whole", views: [place(whole, scale, 0, rule)] },
    ...borders.map((border) => ({ name: "border" as const, views: [place(whole, scale, border, rule)] })),
  ];
  const fits = rule.canvas === undefined ? second : Math.max(rule.canvas.width, rule.canvas.height);
  if (rule.canvas === undefined && long * scale * 2 <= second)
    attempts.push({ name: "enlarged", views: [place(whole, 2 * scale, 0, rule)] });
  const tiles = all ? fineTiles(long, rule) : Math.min(mostTiles, Math.max(2, Math.ceil(long / fits)));
  if (long > fits / 2) attempts.push({ name: "tiles", views: tilesOf(width, height, tiles, rule) });
  return attempts;
}

/**
 * Tiles along a side of which each is drawn at least as large as it is; up to a limit, so that time
 * stays bounded.
 */
function fineTiles(long: number, { canvas }: CanvasRule): number {
  const shows = canvas === undefined ? fineTile : Math.max(canvas.width, canvas.height);
  return Math.min(mostFineTiles, Math.max(2, Math.ceil((long / shows - overlap) / (1 - overlap))));
}

function tilesOf(width: number, height: number, count: number, rule: CanvasRule): View[] {
  const share = 1 / (count - (count - 1) * overlap);
  const [tileWidth, tileHeight] = [Math.ceil(width * share), Math.ceil(height * share)];
  const start = (at: number, length: number, tile: number): number => Math.round((at * (length - tile)) / (count - 1));
  return Array.from({ length: count * count }, (_, at) => {
    const left = start(at % count, width, tileWidth);
    const top = start(Math.floor(at / count), height, tileHeight);
    const long = Math.max(tileWidth, tileHeight);
    return place({ left, top, width: tileWidth, height: tileHeight }, Math.min(2, first.most / long), 0, rule);
  });
}

/**
 * Puts a part of a photo on a canvas, in the middle of `margin` (a share of its longer side) on all
 * sides.
 */
function place(
  part: Pick<View, "left" | "top" | "width" | "height">,
  scale: number,
  margin: number,
  { canvas, multiple }: CanvasRule,
): View {
  const { width, height } = part;
  const around = 2 * margin * Math.max(width, height);
  // A fixed canvas is filled, as far as the shape of the photo allows, whatever scale was asked
  // for.
  const fitted =
    canvas === undefined ? scale : Math.min(canvas.width / (width + around), canvas.height / (height + around));
  const drawnWidth = Math.max(1, Math.round(width * fitted));
  const drawnHeight = Math.max(1, Math.round(height * fitted));
  const gap = Math.round((around * fitted) / 2);
  const up = (length: number): number => Math.ceil((length + 2 * gap) / multiple) * multiple;
  return {
    ...part,
    x: gap,
    y: gap,
    drawnWidth,
    drawnHeight,
    canvasWidth: canvas?.width ?? up(drawnWidth),
    canvasHeight: canvas?.height ?? up(drawnHeight),
  };
}

/** Draws a view; what the photo does not cover is black. */
export function draw(photo: Pixels, view: View): Pixels {
  const { x, y, drawnWidth, drawnHeight, canvasWidth, canvasHeight } = view;
  const drawn = resize(cut(photo, view), drawnWidth, drawnHeight);
  if (drawnWidth === canvasWidth && drawnHeight === canvasHeight) return drawn;
  const data = new Uint8Array(3 * canvasWidth * canvasHeight);
  // A fixed canvas may be a pixel smaller than the rounded size of what is drawn with its border.
  const visible = 3 * Math.min(drawnWidth, canvasWidth - x);
  for (let row = 0; row < Math.min(drawnHeight, canvasHeight - y); row++) {
    const from = 3 * row * drawnWidth;
    data.set(drawn.data.subarray(from, from + visible), 3 * ((row + y) * canvasWidth + x));
  }
  return { width: canvasWidth, height: canvasHeight, data };
}

/** A part of a photo; the photo itself where it is all of it. */
export function cut(photo: Pixels, part: Pick<View, "left" | "top" | "width" | "height">): Pixels {
  const { left, top, width, height } = part;
  if (width === photo.width && height === photo.height) return photo;
  const data = new Uint8Array(3 * width * height);
  for (let row = 0; row < height; row++) {
    const from = 3 * ((row + top) * photo.width + left);
    data.set(photo.data.subarray(from, from + 3 * width), 3 * row * width);
  }
  return { width, height, data };
}

/** What was found on a canvas, in pixels of the photo. */
export function toPhoto(found: readonly Detection[], view: View): Detection[] {
  const { left, top, width, height, x, y, drawnWidth, drawnHeight } = view;
  const back = ([u, v]: Point): Point => [
    ((u - x + 0.5) * width) / drawnWidth - 0.5 + left,
    ((v - y + 0.5) * height) / drawnHeight - 0.5 + top,
  ];
  return found.map(({ box, score, points }) => {
    const [first, last] = [back([box[0], box[1]]), back([box[2], box[3]])];
    const photoBox: Box = [...first, ...last];
    return { box: photoBox, score, points: points && mapPoints(points, back) };
  });
}
