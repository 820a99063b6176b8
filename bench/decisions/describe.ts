import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { adaptedModel, loadAdapter } from "petalface/adapters";
import { describeFaces, type FaceEmbedding, openDescriber } from "petalface/gallery";
import { drawDegradation, openLoader, parseDegradation } from "petalface/images";
import { photoCalibration } from "petalface/quality";
import { readFloats } from "../skeleton/floats.ts";
import { openShared } from "../skeleton/shared.ts";
import type { Photo } from "./faces.ts";

/** A photo as it is shown to the model. */
export interface View {
  readonly photo: Photo;
  /** Undefined: as it is. */
  readonly degrade?: string | undefined;
  /** Draws another one of the same degradation. */
  readonly draw?: number | undefined;
}

/** Describes photos, and keeps what it found in a folder. */
export interface Describing extends AsyncDisposable {
  readonly width: number;
  /** @param copies sides of the low-resolution copies */
  describe(views: readonly View[], copies: readonly number[]): Promise<FaceEmbedding[]>;
}

/**
 * Opens a model as galleries do: the frozen one, judged by the calibration of photos, or one with
 * an adapter.
 */
export async function openDescribing(model: string, adapter: string | undefined, folder: string): Promise<Describing> {
  await mkdir(folder, { recursive: true });
  const backbone = await openShared(model);
  const loaded = adapter === undefined ? undefined : await loadAdapter(adapter, backbone);
  const calibration = loaded?.config.calibration ?? photoCalibration({ name: "sharpness" }, backbone.size);
  const opened = {
    backbone,
    adapter: loaded,
    model: loaded === undefined ? backbone : adaptedModel(backbone, loaded),
  };
  const describer = await openDescriber(opened, calibration, { threads: 1 });
  const { width } = backbone;
  return {
    width,
    async describe(views, copies) {
      const key = JSON.stringify([views.map(({ photo, ...rest }) => [photo.path, rest]), copies]);
      const file = join(folder, `${createHash("sha256").update(key).digest("hex").slice(0, 16)}.f32`);
      const row = 2 * width + 1;
      const kept = await readFloats(file).catch(() => undefined);
      const numbers = kept?.length === row * views.length ? kept : await embed(views, copies);
      if (kept === undefined) await writeFile(file, numbers);
      return views.map((_, at) => ({
        vector: numbers.subarray(at * row, at * row + width),
        copies: numbers.subarray(at * row + width, at * row + 2 * width),
        alpha: numbers[at * row + 2 * width],
        score: null,
      }));
    },
    [Symbol.asyncDispose]: () => describer[Symbol.asyncDispose](),
  };

  async function embed(views: readonly View[], copies: readonly number[]): Promise<Float32Array<ArrayBuffer>> {
    const row = 2 * width + 1;
    const out = new Float32Array(row * views.length);
    await using loader = openLoader({ size: backbone.size, threads: 1 });
    const requests = views.map(({ photo, degrade, draw = 0 }) => ({
      source: { kind: "file" as const, path: photo.path },
      flip: false,
      degrade: degrade === undefined ? undefined : drawDegradation(parseDegradation(degrade), photo.path, draw),
    }));
    const parts = describeFaces(requests, {
      describer,
      loader,
      copies,
      onLeft: (at, reason) => {
        throw new Error(`${views[at]?.photo.path}: ${reason}`);
      },
    });
    for await (const { start, faces } of parts)
      faces.forEach((face, at) => {
        if (face === undefined) return;
        const to = (start + at) * row;
        out.set(face.vector, to);
        out.set(face.copies, to + width);
        out[to + 2 * width] = face.alpha;
      });
    console.error(`${views.length} views embedded`);
    return out;
  }
}
