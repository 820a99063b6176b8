import { itemAt } from "onnx-grad";
import { Type } from "typebox";
import type { ServedStore } from "../../gallery/index.ts";
import { addScaled, normaliseRows } from "../../matching/index.ts";
import type { App, ServerContext } from "../context.ts";
import type { GalleryState } from "../gallery/state.ts";
import { galleryOf } from "./faces.ts";
import { answers, galleryParams, maybe } from "./schemas.ts";

/** Faces that are compared, evenly over the gallery. */
const most = 512;

const scores = Type.Object({
  enrolled: Type.Integer({ description: "Faces of the gallery" }),
  faces: Type.Array(
    Type.Object({
      person: Type.String(),
      own: maybe(Type.Number(), "Cosine with the mean of the person's other faces; null where there are none"),
      other: Type.Number({ description: "Cosine with the nearest other person, as a stranger would have it" }),
      like: Type.String({ description: "That person" }),
    }),
    { description: "Up to 512 enrolled faces, evenly over the gallery; none where fewer than two people are enrolled" },
  ),
});

/** `/v1/galleries/{gallery}/scores`: what a threshold would let in and keep out. */
export function scoreRoutes(app: App, context: ServerContext): void {
  app.get(
    "/v1/galleries/:gallery/scores",
    {
      config: { scope: "enrol" },
      schema: {
        tags: ["search"],
        summary: "Compare enrolled faces with their own person and with all others",
        params: Type.Object(galleryParams),
        response: answers(scores),
      },
    },
    async ({ params, deadline }) =>
      galleryOf(context, params.gallery).use(async (state) => ({
        enrolled: state.searcher.faces,
        faces: state.people.length < 2 ? [] : await scoresOf(state, galleryOf(context, params.gallery).store, deadline),
      })),
  );
}

async function scoresOf({ searcher, byId }: GalleryState, store: Pick<ServedStore, "read">, signal: AbortSignal) {
  const { width, people, alpha, vectors } = await searcher.sample(most);
  const count = Math.min(most, people.length);
  const chosen = Int32Array.from({ length: count }, (_, at) => Math.floor((at * people.length) / count));
  const unitOf = (face: number): Float32Array => normaliseRows(vectors.slice(face * width, (face + 1) * width), width);
  const own = await store.read({ people: [...new Set(chosen.map((face) => itemAt(people, face)))] });
  const units = normaliseRows(own.vectors, width);
  const sums = new Map<number, { readonly sum: Float32Array; faces: number }>();
  own.people.forEach((person, face) => {
    const known = sums.get(person) ?? { sum: new Float32Array(width), faces: 0 };
    sums.set(person, known);
    known.faces++;
    addScaled(known.sum, units.subarray(face * width, (face + 1) * width));
  });
  const rows = new Float32Array(count * width);
  chosen.forEach((face, at) => {
    rows.set(unitOf(face), at * width);
  });
  const without = chosen.map((face) => itemAt(people, face));
  const found = await searcher.search(
    { rows, alpha: [...chosen].map((face) => itemAt(alpha, face)), without },
    1,
    signal,
  );
  const nameOf = (person: number | undefined): string => byId.get(person ?? -1)?.name ?? "";
  return [...chosen].map((face, at) => {
    const [nearest] = found[at] ?? [];
    const mean = sums.get(itemAt(people, face));
    return {
      person: nameOf(people[face]),
      own: mean === undefined || mean.faces < 2 ? null : cosineWithout(unitOf(face), mean.sum),
      other: nearest?.cosine ?? -1,
      like: nameOf(nearest?.person),
    };
  });
}

/** Cosine of a unit embedding with a sum of such, of which it is one, less itself. */
function cosineWithout(unit: Float32Array, sum: Float32Array): number {
  let [product, squares] = [0, 0];
  unit.forEach((value, at) => {
    const rest = itemAt(sum, at) - value;
    product += value * rest;
    squares += rest * rest;
  });
  return squares > 0 ? product / Math.sqrt(squares) : 0;
}
