import type { Ops } from "../../build/ops.ts";
import { intOf, stringOf } from "../../graph/attributes.ts";
import { int64 } from "../../graph/tensor.ts";
import { cannot, type GradientCall, type GradientRule, type GradientRules, known } from "./rule.ts";
import { padsFor } from "./shape.ts";

/** Constant indices counted from the front; none if they are computed or one is out of range. */
function constantIndices(o: Ops, name: string, size: number): number[] {
  const indices = Array.from(o.builder.tensor(name)?.data ?? [], Number);
  const places = indices.map((index) => (index < 0 ? index + size : index));
  return places.every((place) => place >= 0 && place < size) ? places : [];
}

/**
 * Adds the rows of `g` into zeros at the rows that were read. Neighbouring rows are padded and
 * reordered ones put back: both are cheaper than a scatter.
 */
const rowsBack: GradientRule = ({ o, node, x: [x, indices], g }) => [
  () => {
    const axis = o.axis(x, intOf(node, "axis", 0));
    const shape = o.shape(x);
    const size = known(node, shape[axis]);
    const places = constantIndices(o, indices, size);
    const listed = () => o.reshape(g, [...shape.slice(0, axis), places.length, ...shape.slice(axis + 1)]);
    const [first] = places;
    if (first !== undefined && places.every((place, i) => place === first + i)) {
      return o.pad(listed(), padsFor(shape.length, [axis], [first], [size - first - places.length]));
    }
    if (places.length === size && new Set(places).size === size) {
      const back: number[] = [];
      for (const [i, place] of places.entries()) back[place] = i;
      return o.gather(listed(), o.builder.constant(int64(back), "order"), axis);
    }
    const read = o.rank(indices);
    const all = [...Array(o.rank(g)).keys()];
    const own = all.slice(axis, axis + read);
    const updates = o.transpose(g, [...own, ...all.filter((i) => !own.includes(i))]);
    const positive = o.where(o.less(indices, 0), o.add(indices, size), indices);
    const rows = o.unsqueeze(positive, [-1]);
    const axes = [...shape.keys()];
    const zeros = o.transpose(o.full(0, shape, x), [axis, ...axes.filter((i) => i !== axis)]);
    const summed = o.scatterAddRows(zeros, rows, updates);
    const order = axes.slice(1);
    order.splice(axis, 0, 0);
    return o.transpose(summed, order);
  },
];

/** Zeros where something was replaced in `x`. */
const zerosFor = ({ o, x: [, , updates] }: GradientCall): string => o.full(0, o.shape(updates), updates);

/** The reduction of a Scatter node; refuses those that multiply or pick. */
function reductionOf({ node }: GradientCall): "none" | "add" {
  const reduction = stringOf(node, "reduction", "none");
  if (reduction !== "none" && reduction !== "add") throw cannot(node, `reduction ${reduction} has no gradient here`);
  return reduction;
}

/** Rules of operators that read and write by index. */
export const gather: GradientRules = {
  Gather: rowsBack,
  GatherElements: ({ o, node, x: [x, indices], g }) => [
    () => o.scatterAddElements(o.full(0, o.shape(x), x), indices, g, intOf(node, "axis", 0)),
  ],
  GatherND: ({ o, node, x: [x, indices], g }) => [
    () => {
      if (intOf(node, "batch_dims", 0) !== 0) throw cannot(node, "batch_dims has no gradient here");
      return o.scatterAddRows(o.full(0, o.shape(x), x), indices, g);
    },
  ],
  ScatterElements: (call) => {
    const { o, node, x, g } = call;
    const [axis, indices] = [intOf(node, "axis", 0), x[1]];
    const reduction = reductionOf(call);
    return [
      () => (reduction === "add" ? g : o.scatterElements(g, indices, zerosFor(call), axis)),
      undefined,
      () => o.gatherElements(g, indices, axis),
    ];
  },
  ScatterND: (call) => {
    const { o, x, g } = call;
    const reduction = reductionOf(call);
    return [
      () => (reduction === "add" ? g : o.scatterRows(g, x[1], zerosFor(call))),
      undefined,
      () => o.gatherNd(g, x[1]),
    ];
  },
};
