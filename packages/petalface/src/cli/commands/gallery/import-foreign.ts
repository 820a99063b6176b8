import { type ForeignImport, importForeign } from "../../../cluster/index.ts";
import type { ForeignFaces } from "../../../gallery/index.ts";
import type { CliContext } from "../../context.ts";
import { describeEnrolment, type EnrolFlags, enrolOptions } from "./enrol.ts";

/** How the faces of another product are enrolled. */
export interface ForeignFlags extends EnrolFlags {
  readonly collection?: string;
  readonly embeddings?: string;
}

/** Where they go. */
export interface ForeignTarget {
  readonly address: string;
  readonly shown: string;
}

/** Enrols the faces of another product in a gallery, and prints what became of them. */
export async function runImport(
  file: string,
  foreign: ForeignFaces,
  target: ForeignTarget,
  flags: ForeignFlags,
  context: CliContext,
): Promise<void> {
  const options = { ...flags, ...enrolOptions(flags) };
  const imported = await importForeign(file, foreign, target, options, context);
  const { collection, given, kept, without, models, sameModel } = imported;
  const { enrolment, left } = given;
  context.result(
    {
      file,
      product: foreign.product,
      collection,
      gallery: target.shown,
      ...enrolment,
      keptEmbeddings: kept.added,
      keptBefore: kept.known,
      withoutPicture: without,
      models,
      sameModel,
      forced: context.force,
      leftOut: left,
    },
    describe(foreign.product, imported, target.shown, flags, context.force),
  );
  if (enrolment.added + enrolment.known + kept.added + kept.known === 0) context.exitCode = 1;
}

function describe(
  product: string,
  { collection, given: { enrolment, left }, kept, without, models }: ForeignImport,
  path: string,
  { embeddings, report }: ForeignFlags,
  forced: boolean,
): string {
  const all = {
    ...enrolment,
    added: enrolment.added + kept.added,
    known: enrolment.known + kept.known,
    people: enrolment.people + kept.people,
  };
  const lines = [`${product}, ${collection}: ${describeEnrolment(path, { enrolment: all, left }, { report, forced })}`];
  if (kept.added > 0) lines.push(`${kept.added} of them with the embeddings of ${embeddings}`);
  if (without > 0)
    lines.push(
      `${without} faces have no picture and were left out; --embeddings ${models[0]?.name} keeps their embeddings, if the gallery's model is that one`,
    );
  return lines.join("\n");
}
