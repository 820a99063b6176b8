import { resolve } from "node:path";
import type { Command } from "commander";
import { openEmbedder } from "../../backbones/index.ts";
import { openData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { openLoader } from "../../images/index.ts";
import type { CliContext } from "../context.ts";
import { type CacheFlags, embedData, openCache, withCacheOption } from "../embed.ts";
import { bytesOf, csvLine, embeddingFormat, npyHead, openRowFile, safetensorsHead } from "../embedding-files.ts";
import { withExamples } from "../examples.ts";
import { engineOf, type ModelFlags, openModel, withModelOptions } from "../model.ts";

interface Flags extends ModelFlags, CacheFlags {
  readonly images: string;
  readonly out: string;
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const format = embeddingFormat(flags.out);
  const engine = engineOf(flags);
  const opened = await openModel(flags);
  const { backbone, adapter, model } = opened;
  const data = await openData(flags.images);
  const adapted = adapter !== undefined;
  const list = flags.out.replace(/\.[^.]*$/, ".csv");
  if (resolve(list) === resolve(flags.images))
    throw new PetalfaceError(
      `the list of rows goes to ${list}, which is the manifest of the faces; give another name with --out`,
      { exitCode: 2 },
    );
  const metadata = {
    model: backbone.spec.name,
    model_sha256: backbone.spec.sha256,
    ...(flags.adapter !== undefined && { adapter: flags.adapter }),
    data: data.spec,
    data_fingerprint: data.fingerprint,
  };
  const [rows, names] = [await openRowFile(flags.out), await openRowFile(list)];
  const store = await openCache(flags, opened, engine);
  const embedder = await openEmbedder(model, engine);
  const loader = openLoader({ size: model.size, threads: engine.threads });
  const progress = context.progress("embedding", data.length, "faces");
  let kept = 0;
  const alphas = new Float32Array(adapted ? data.length : 0);
  try {
    const head =
      format === "npy"
        ? npyHead(data.length, model.width)
        : safetensorsHead(data.length, model.width, adapted, metadata);
    await rows.write(head);
    await names.write(Buffer.from(csvLine(["row", "id", "person", ...(adapted ? ["alpha"] : [])])));
    for await (const batch of embedData(data, embedder, loader, context.signal, store)) {
      kept += batch.kept;
      if (batch.alpha) alphas.set(batch.alpha, batch.start);
      await rows.write(bytesOf(batch.data));
      const lines = batch.samples.map(({ id, person }, i) =>
        csvLine([batch.start + i, id, data.people[person] ?? "", ...(batch.alpha ? [batch.alpha[i] as number] : [])]),
      );
      await names.write(Buffer.from(lines.join("")));
      progress.update(batch.start + batch.count);
    }
    if (format === "safetensors" && adapted) await rows.write(bytesOf(alphas));
    await rows.finish();
    await names.finish();
  } finally {
    progress.close();
    await Promise.all([rows.discard(), names.discard(), loader.close(), embedder.close(), store?.close()]);
  }
  context.result(
    { out: flags.out, list, format, faces: data.length, width: model.width, adapted, kept, ...metadata },
    `${data.length} embeddings of ${model.width} numbers written to ${flags.out}; which row is which face: ${list}${kept === 0 ? "" : `; ${kept} were kept from earlier runs`}`,
  );
}

/** `petalface embed`: the embeddings of a set of faces as one array. */
export function embedCommand(program: Command, context: CliContext): void {
  const command = withCacheOption(withModelOptions(program.command("embed")))
    .description("write the embeddings of a set of faces, and a CSV that says which row is which face")
    .requiredOption("--images <data>", "folder, manifest, .rec, .bin, or synthetic[:people=N,images=M,seed=S]")
    .requiredOption("--out <file>", "a .npy or .safetensors file; rows are float32, as the network gives them")
    .action((flags: Flags) => run(flags, context));
  withExamples(
    command,
    "embed --model fr_feature --images faces --out faces.npy",
    "embed --model fr_feature --adapter runs/first --images faces --out faces.safetensors",
  );
}
