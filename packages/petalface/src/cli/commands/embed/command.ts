import type { Command } from "commander";
import { itemAt } from "onnx-grad";
import { openCache } from "../../../api/cache.ts";
import { leftOutOf, noteMoreLeftOut } from "../../../api/data.ts";
import { embedData, enrolData } from "../../../api/embed-data.ts";
import { bytesOf, csvLine, embeddingFormat, embeddingsHead, npyHead } from "../../../api/embedding-files.ts";
import { engineOf, openModel } from "../../../api/model.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { type Embedder, openEmbedder } from "../../../backbones/index.ts";
import { tallyOf } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { openRowFile } from "../../../files.ts";
import { openLoader } from "../../../images/index.ts";
import { openResources } from "../../../resources.ts";
import { type CacheFlags, withCacheOption } from "../../cache-option.ts";
import type { CliContext } from "../../context.ts";
import { type CopyFlags, copiesOf, withCopyOptions } from "../../copies.ts";
import { type DataFlags, openFaces, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { type ModelFlags, withModelOptions } from "../../model.ts";

interface Flags extends ModelFlags, CacheFlags, DataFlags, CopyFlags {
  readonly images: string;
  readonly copies?: number[];
  readonly out: string;
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const format = embeddingFormat(flags.out);
  const list = flags.out.replace(/\.[^.]*$/, ".csv");
  await using _outputs = await claimOutputs([flags.out, list], context, { inputs: [flags.images, flags.model] });
  const engine = engineOf(flags);
  const opened = await openModel(flags);
  const { backbone, adapter, model } = opened;
  const copies = copiesOf("--copies", flags.copies, flags, model.size);
  const vectors = copies?.weight === "alpha" ? 2 : 1;
  const data = await openFaces(flags.images, flags, context);
  const adapted = adapter !== undefined;
  const metadata = {
    model: backbone.spec.name,
    model_sha256: backbone.spec.sha256,
    ...(flags.adapter !== undefined && { adapter: flags.adapter }),
    ...(copies && { copies: copies.sizes.join(","), copy_weight: String(copies.weight) }),
    data: data.spec,
    data_fingerprint: data.fingerprint,
  };
  await using open = openResources();
  const [rows, names] = [
    open.keep(await openRowFile(flags.out), (file) => file.discard()),
    open.keep(await openRowFile(list), (file) => file.discard()),
  ];
  const store = open.keep(await openCache(flags, opened, engine, context));
  const embedder = open.keep(await openEmbedder(model, engine));
  const loader = open.keep(openLoader({ size: model.size, threads: engine.threads }));
  const progress = context.progress("embedding", data.length, "faces");
  const tally = tallyOf(data);
  const row = vectors === 1 ? [model.width] : [vectors, model.width];
  const headOf = (count: number, length?: number): Uint8Array =>
    format === "npy" ? npyHead(count, row, length) : embeddingsHead(count, row, adapted, metadata, length);
  const numbers = vectors * model.width;
  const batches = (embedder: Embedder) => {
    const how = { embedder, loader, tally, store, signal: context.signal };
    return copies === undefined ? embedData(data, how) : enrolData(data, copies, how);
  };
  let [kept, written] = [0, 0];
  const alphas = new Float32Array(adapted ? data.length : 0);
  try {
    const head = headOf(data.length);
    await rows.write(head);
    await names.write(Buffer.from(csvLine(["row", "id", "person", ...(adapted ? ["alpha"] : [])])));
    for await (const batch of batches(embedder)) {
      kept += batch.kept;
      const left = new Set(batch.left);
      const lines: string[] = [];
      batch.samples.forEach(({ id, person }, i) => {
        if (left.has(i)) return;
        // Rows move up to where those that are left out would be.
        batch.data.copyWithin(lines.length * numbers, i * numbers, (i + 1) * numbers);
        const place = written + lines.length;
        if (batch.alpha) alphas[place] = itemAt(batch.alpha, i);
        lines.push(csvLine([place, id, data.people[person] ?? "", ...(batch.alpha ? [itemAt(batch.alpha, i)] : [])]));
      });
      await rows.write(bytesOf(batch.data.subarray(0, lines.length * numbers)));
      await names.write(Buffer.from(lines.join("")));
      written += lines.length;
      progress.update(batch.start + batch.count);
    }
    if (written === 0)
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${data.spec}: no face has an embedding; ${tally.report().first[0]}`,
      );
    if (written < data.length) await rows.replaceHead(headOf(written, head.length));
    if (format === "safetensors" && adapted) await rows.write(bytesOf(alphas.subarray(0, written)));
    await rows.finish();
    await names.finish();
  } finally {
    progress.close();
  }
  const left = tally.report();
  noteMoreLeftOut(data, left, context);
  context.result(
    {
      out: flags.out,
      list,
      format,
      faces: written,
      width: model.width,
      adapted,
      kept,
      ...metadata,
      leftOut: leftOutOf(data, left),
    },
    `${written} embeddings of ${model.width} numbers written to ${flags.out}; which row is which face: ${list}${kept === 0 ? "" : `; ${kept} were kept from earlier runs`}`,
  );
}

/** `petalface embed`: the embeddings of a set of faces as one array. */
export function embedCommand(program: Command, context: CliContext): void {
  const command = withDataOptions(withCacheOption(withModelOptions(program.command("embed"))))
    .description("write the embeddings of a set of faces, and a CSV with the face of each row")
    .requiredOption("--images <data>", "folder, manifest, .rec, .bin, or synthetic[:people=N,images=M,seed=S]")
    .requiredOption("--out <file>", "a .npy or .safetensors file; rows are float32, as the network gives them");
  withCopyOptions(command, "--copies", {
    sizes:
      "enrol: each row is a template of the photo and of copies of it, shrunk to these sizes in pixels, such as 16,12 (docs/copies.md)",
    weight:
      "weight of the copies, 0.25 unless given; alpha: keep the photo and its copies apart, two vectors a face, so that the weight can follow each probe",
  }).action((flags: Flags) => run(flags, context));
  withExamples(
    command,
    "embed --model fr_feature --images faces --out faces.npy",
    "embed --model fr_feature --adapter runs/first --images faces --out faces.safetensors",
    "embed --model fr_feature --adapter runs/first --images gallery --copies 16,12 --out gallery.npy",
  );
}
