import { type Dim, printShape } from "../graph/dim.ts";
import { entryOf, itemAt } from "../graph/item-at.ts";
import type { ShapeCall, ShapeRule, ShapeRules } from "./call.ts";
import { broadcastDim } from "./dims.ts";

/** An einsum with one letter per axis: the ellipsis is written out, the output is explicit. */
export interface Equation {
  /** Letters of each operand's axes. */
  readonly operands: readonly string[];
  readonly output: string;
  /** Sizes by letter, after broadcasting. */
  readonly dims: ReadonlyMap<string, Dim>;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/**
 * The equation of an Einsum node (ONNX, Einsum; numpy.einsum), its ellipses replaced by letters of
 * their own, aligned from the right. Fails where letters and shapes do not fit.
 */
export function equationOf(call: ShapeCall): Equation {
  const text = call.text("equation", "").replaceAll(/\s/g, "");
  const refuse = (why: string): never => call.fail(`equation "${text}": ${why}`);
  const term = /^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/;
  const [left = "", right, more] = text.split("->");
  const terms = left.split(",");
  if (more !== undefined || ![...terms, right ?? ""].every((each) => term.test(each))) refuse("it cannot be read");
  if (terms.length !== call.node.inputs.length) refuse(`it has ${terms.length} operands, the node another number`);

  const named = (each: string): number => each.replace("...", "").length;
  const hidden = terms.map((each, i) => (each.includes("...") ? call.shape(i).length - named(each) : 0));
  if (hidden.some((count) => count < 0)) refuse("an operand has fewer axes than letters");
  const unused = [...ALPHABET].filter((letter) => !text.includes(letter));
  const width = Math.max(...hidden);
  if (width > unused.length) refuse("too many axes behind its ellipsis");
  const dots = unused.slice(0, width).join("");
  const operands = terms.map((each, i) => each.replace("...", dots.slice(width - itemAt(hidden, i))));

  const dims = new Map<string, Dim>();
  operands.forEach((letters, index) => {
    const shape = call.shape(index);
    if (letters.length !== shape.length) refuse(`"${terms[index]}" does not name the axes of ${printShape(shape)}`);
    shape.forEach((dim, axis) => {
      const letter = itemAt(letters, axis);
      dims.set(letter, broadcastDim(dims.get(letter) ?? 1, dim) ?? refuse(`axis "${letter}" has two sizes`));
    });
  });
  const once = [...dims.keys()].filter((letter) => !dots.includes(letter) && left.split(letter).length === 2).sort();
  const output = right === undefined ? dots + once.join("") : right.replace("...", dots);
  const unknown = [...output].find((letter) => !dims.has(letter));
  if (unknown !== undefined) refuse(`axis "${unknown}" is in no operand`);
  if (new Set(output).size !== output.length) refuse("its output names an axis twice");
  return { operands, output, dims };
}

const einsum: ShapeRule = (call: ShapeCall) => {
  const { output, dims } = equationOf(call);
  return [{ dtype: call.dtype(0), shape: [...output].map((letter) => entryOf(dims, letter)) }];
};

/** Products in Einstein's notation. */
export const einsumShapes: ShapeRules = { Einsum: einsum };
