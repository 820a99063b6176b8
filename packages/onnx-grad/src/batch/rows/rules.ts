import { elementwiseShapes } from "../../infer/elementwise.ts";
import { alongAxesRows } from "./axes.ts";
import { movingRows } from "./moving.ts";
import { productRows } from "./products.ts";
import { agree, first, type RowRule, table } from "./rule.ts";

/** Elements that meet by numpy's broadcasting, axes aligned from the right. */
const elementwise: RowRule = ({ call, places, output }) =>
  agree(
    places.map((place, index) => place && { ...place, axis: place.axis + output.length - call.shape(index).length }),
  );

/** Operators over [batch, channels, ...] that treat every element of the batch by itself. */
const batchFirst: RowRule = first((_, place) =>
  place.axis === 0 ? place : "it works across the axis that the images lie along",
);

/**
 * In training form the statistics are those of the batch. An attribute marks it, before operator
 * set 14 further outputs.
 */
const batchNormalization: RowRule = first(({ call }, place) => {
  const further = call.node.outputs.slice(1).some((output) => output !== "");
  const training = call.opset < 14 ? further : call.int("training_mode", 0) !== 0;
  return training ? "it takes its statistics over the images of the batch" : place;
});

/** Queries, keys, values and masks, each [batch, ...]. */
const attention: RowRule = ({ places }) => {
  const place = agree(places);
  return typeof place === "string" || place.axis === 0 ? place : "it works across the axis that the images lie along";
};

/** How an operator carries images on; those of another domain are keyed `domain:operator`. */
export const rowRules: ReadonlyMap<string, RowRule> = new Map(
  [
    table(Object.keys(elementwiseShapes).join(" "), elementwise),
    table("Conv ConvTranspose com.microsoft:FusedConv MaxPool AveragePool LpPool", batchFirst),
    table("GlobalAveragePool GlobalMaxPool GlobalLpPool InstanceNormalization GroupNormalization LRN", batchFirst),
    table("DepthToSpace SpaceToDepth Resize Upsample", batchFirst),
    { BatchNormalization: batchNormalization, Attention: attention },
    productRows,
    movingRows,
    alongAxesRows,
  ].flatMap((rules) => Object.entries(rules)),
);
