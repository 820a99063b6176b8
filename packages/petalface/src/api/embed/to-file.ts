import { openRowFile } from "../../files.ts";
import { openResources } from "../../resources.ts";
import { leftOutOf } from "../data.ts";
import { claimOutputs } from "../outputs.ts";
import { type CallOptions, type Surroundings, surroundingsOf } from "../surroundings.ts";
import { type EmbedOptions, openEmbedding } from "./embed.ts";
import { bytesOf, csvLine, type EmbeddingFormat, embeddingFormat, embeddingsHead, npyHead } from "./files.ts";

/** What to embed, and where to write it. */
export interface EmbedToFileOptions extends EmbedOptions {
  /**
   * A `.npy` or `.safetensors` file; the face of each row goes into a CSV file of the same name.
   */
  readonly out: string;
}

/** A file of embeddings. */
export interface EmbeddedFile {
  readonly out: string;
  /** The CSV file with the face of each row. */
  readonly list: string;
  readonly format: EmbeddingFormat;
  /** Rows. */
  readonly faces: number;
  readonly width: number;
  readonly adapted: boolean;
  /** How many embeddings were kept from earlier calls. */
  readonly kept: number;
  /** What a `.safetensors` file says of itself: model, data and copies. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Faces that have no row, and other files of the set. */
  readonly leftOut: ReturnType<typeof leftOutOf>;
}

/**
 * Embeds a set of faces into a file, part by part: `petalface embed`.
 *
 * @throws PetalfaceError if the model or the images cannot be used, too many images are left out,
 * or the files cannot be written; nothing is left behind then
 */
export const embedToFile = (options: EmbedToFileOptions): Promise<EmbeddedFile> =>
  writeEmbeddings(options, surroundingsOf(options));

/** As {@link embedToFile}, in the surroundings of the command line. */
export async function writeEmbeddings(
  options: Omit<EmbedToFileOptions, keyof CallOptions>,
  surroundings: Surroundings,
): Promise<EmbeddedFile> {
  const { out } = options;
  const format = embeddingFormat(out);
  const list = out.replace(/\.[^.]*$/, ".csv");
  const inputs = [options.images, options.model].filter((input) => typeof input === "string");
  await using _outputs = await claimOutputs([out, list], surroundings, { inputs });
  await using open = openResources();
  const { model, data, copies, vectors, parts, leftOut } = await openEmbedding(options, surroundings, open.keep);
  const { spec } = model.backbone;
  const adapted = model.adapter !== undefined;
  const metadata = {
    model: spec.name,
    model_sha256: spec.sha256,
    ...(model.adapterFolder !== undefined && { adapter: model.adapterFolder }),
    ...(copies && { copies: copies.sizes.join(","), copy_weight: String(copies.weight) }),
    data: data.spec,
    data_fingerprint: data.fingerprint,
  };
  const rows = open.keep(await openRowFile(out), (file) => file.discard());
  const names = open.keep(await openRowFile(list), (file) => file.discard());
  const row = vectors === 1 ? [model.width] : [vectors, model.width];
  const headOf = (count: number, length?: number): Uint8Array =>
    format === "npy" ? npyHead(count, row, length) : embeddingsHead(count, row, adapted, metadata, length);
  const head = headOf(data.length);
  await rows.write(head);
  await names.write(Buffer.from(csvLine(["row", "id", "person", ...(adapted ? ["alpha"] : [])])));
  const alphas = new Float32Array(adapted ? data.length : 0);
  let [kept, faces] = [0, 0];
  for await (const part of parts) {
    const { ids, people, alpha } = part;
    if (alpha) alphas.set(alpha, faces);
    const lines = ids.map((id, at) =>
      csvLine([faces + at, id, people[at] ?? "", ...(alpha ? alpha.subarray(at, at + 1) : [])]),
    );
    await rows.write(bytesOf(part.rows));
    await names.write(Buffer.from(lines.join("")));
    kept += part.kept;
    faces += ids.length;
  }
  const left = leftOut(faces);
  if (faces < data.length) await rows.replaceHead(headOf(faces, head.length));
  if (format === "safetensors" && adapted) await rows.write(bytesOf(alphas.subarray(0, faces)));
  await rows.finish();
  await names.finish();
  return {
    out,
    list,
    format,
    faces,
    width: model.width,
    adapted,
    kept,
    metadata,
    leftOut: leftOutOf(data, left),
  };
}
