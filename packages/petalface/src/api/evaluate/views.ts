import { itemAt } from "onnx-grad";
import { openEmbedder } from "../../backbones/index.ts";
import { embedFaces } from "../../embeddings/index.ts";
import type { EmbeddingView, Protocol, ViewedFaces } from "../../evaluation/index.ts";
import { drawDegradation, openLoader, parseDegradation } from "../../images/index.ts";
import { openResources } from "../../resources.ts";
import { type CacheOptions, openCache } from "../cache.ts";
import type { Engine, OpenedModel } from "../model.ts";

/** Faces of one person that are shown. */
const perPerson = 8;

/** Which faces to look at, under which degradation besides as given, and how to embed them. */
export interface ViewRequest extends CacheOptions {
  readonly people: number;
  readonly degradation: string | undefined;
  readonly protocol: Protocol;
  /** Ids of faces that a measurement left out. */
  readonly left?: readonly string[] | undefined;
  readonly models: readonly { readonly name: string; readonly opened: OpenedModel }[];
  readonly engine: Engine;
  readonly noteOnce: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Embeds the people with most images in a protocol, for a report's map and similarities; the same
 * faces with every model.
 */
export async function viewPeople(request: ViewRequest): Promise<EmbeddingView> {
  const { protocol, degradation } = request;
  const { data, faces, item, person } = protocol;
  const left = new Set(request.left);
  const albums = Array.from({ length: protocol.people }, (): number[] => []);
  // Distractors, person -1, are in no album.
  faces.forEach((face, place) => {
    if (!left.has(data.at(face).id)) albums[itemAt(person, itemAt(item, place))]?.push(face);
  });
  const chosen = [...albums.keys()]
    .sort((a, b) => (albums[b]?.length ?? 0) - (albums[a]?.length ?? 0) || a - b)
    .slice(0, request.people);
  const shown = [null, ...(degradation === undefined ? [] : [degradation])].flatMap((how) =>
    chosen.flatMap((who, at) => (albums[who] ?? []).slice(0, perPerson).map((face) => ({ face, person: at, how }))),
  );
  const models: ViewedFaces[] = [];
  for (const { name, opened } of request.models) {
    const { model } = opened;
    await using open = openResources();
    const store = open.keep(await openCache(request, opened, request.engine, request));
    const embedder = open.keep(await openEmbedder(model, request.engine));
    const loader = open.keep(openLoader({ size: model.size, threads: request.engine.threads, faces: shown.length }));
    const rows = new Float32Array(shown.length * model.width);
    const asked = (index: number) => {
      const { face, how } = itemAt(shown, index);
      const { source, id, quality } = data.at(face);
      return {
        source,
        flip: false,
        degrade: how === null ? undefined : drawDegradation(parseDegradation(how), id),
        quality,
      };
    };
    const options = { embedder, loader, store, signal: request.signal };
    for await (const part of embedFaces(shown.length, asked, options)) rows.set(part.data, part.start * model.width);
    models.push({ name, width: model.width, data: rows });
  }
  return {
    people: chosen.map((who) => protocol.names?.[who] ?? `person ${who + 1}`),
    person: shown.map((each) => each.person),
    degradation: shown.map(({ how }) => how),
    models,
  };
}
