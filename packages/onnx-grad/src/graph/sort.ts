import { OnnxGradError } from "./errors.ts";
import type { Node } from "./graph.ts";
import { itemAt } from "./item-at.ts";

/**
 * The nodes in topological order; nodes that already are keep their order.
 * Throws OnnxGradError naming a value that is defined twice or nowhere, or a node on a cycle.
 */
export function sortNodes(
  nodes: readonly Node[],
  known: readonly string[],
  outputs: readonly string[],
  where: string,
): Node[] {
  const defined = new Set(known);
  for (const output of nodes.flatMap((node) => node.outputs)) {
    if (output === "") continue;
    if (defined.has(output)) throw new OnnxGradError(`${where}: value "${output}" is defined twice`);
    defined.add(output);
  }
  for (const node of nodes) {
    const missing = node.inputs.find((input) => input !== "" && !defined.has(input));
    if (missing !== undefined) {
      throw new OnnxGradError(`${where}: ${node.op} node "${node.name}" uses "${missing}", which nothing defines`);
    }
  }
  const missing = outputs.find((output) => !defined.has(output));
  if (missing !== undefined) throw new OnnxGradError(`${where}: output "${missing}" is not defined`);

  const ready = new Set(known);
  const users = new Map<string, number[]>();
  const waiting = nodes.map((node, index) => {
    const open = new Set(node.inputs.filter((input) => input !== "" && !ready.has(input)));
    for (const input of open) {
      const list = users.get(input);
      if (list === undefined) users.set(input, [index]);
      else list.push(index);
    }
    return open.size;
  });
  const sorted: Node[] = [];
  const queue = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  for (const index of queue) {
    const node = itemAt(nodes, index);
    sorted.push(node);
    for (const user of node.outputs.flatMap((output) => (output === "" ? [] : (users.get(output) ?? [])))) {
      const left = itemAt(waiting, user) - 1;
      waiting[user] = left;
      if (left === 0) queue.push(user);
    }
  }
  if (sorted.length < nodes.length) {
    const stuck = itemAt(
      nodes,
      waiting.findIndex((inputs) => inputs > 0),
    );
    throw new OnnxGradError(`${where}: ${stuck.op} node "${stuck.name}" is on a cycle or depends on one`);
  }
  return inOrder(nodes, known) ? [...nodes] : sorted;
}

function inOrder(nodes: readonly Node[], known: readonly string[]): boolean {
  const ready = new Set(["", ...known]);
  return nodes.every((node) => {
    const ok = node.inputs.every((input) => ready.has(input));
    for (const output of node.outputs) ready.add(output);
    return ok;
  });
}
