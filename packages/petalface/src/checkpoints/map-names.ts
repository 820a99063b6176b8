import { PetalfaceError } from "../errors.ts";
import { quote } from "./pickle/machine.ts";
import type { Checkpoint, CheckpointTensor, TensorGroup } from "./types.ts";

/** How names of a checkpoint become names of a network. */
export interface NameRules {
  /**
   * Path of the dictionary to take, as `petalface inspect` lists it. Default: the one that fits
   * best.
   */
  readonly take?: string;
  /**
   * What all wanted names begin with, such as `module.`. Default: the wrappers' prefix that fits
   * best.
   */
  readonly prefix?: string;
  /**
   * The network's name for a name of the checkpoint, after the prefix; for families that are named
   * otherwise. Default: the same.
   */
  readonly rename?: (name: string) => string;
  /** Names (after renaming) that may be there and are not used. Default: {@link bufferNames}. */
  readonly ignore?: readonly RegExp[];
  /** Expected names that may be missing. */
  readonly optional?: readonly RegExp[];
}

/**
 * Buffers that PyTorch saves and that are computed from the network's shape: counts of batches,
 * window indices, masks.
 */
export const bufferNames: readonly RegExp[] = [
  /(?:^|\.)num_batches_tracked$/,
  /(?:^|\.)relative_position_index$/,
  /(?:^|\.)attn_mask$/,
];

/** What wrappers put before the names of the network inside. */
const wrappers = ["module.", "_orig_mod.", "model.", "backbone.", "net.", "network.", "encoder."];
/** A head with class centres next to a wrapped network: it is not used after training. */
const headNames = /^(?:module\.)?(?:fc|head|classifier|margin|metric_fc|loss)\.[\w.]+$/;
const MOST_WRAPPERS = 4;
const MOST_PREFIXES = 64;

/**
 * Names of dictionaries with the network's weights, the usual first. Others come after them in file
 * order.
 */
const usualGroups = [
  "",
  "state_dict_backbone",
  "backbone",
  "state_dict",
  "model_state_dict",
  "model",
  "net",
  "network",
  "weights",
  "params",
];

export interface WrongShape {
  /** The network's name. */
  readonly name: string;
  readonly expected: readonly number[];
  readonly found: readonly number[];
}

/**
 * What a checkpoint has for a network. Nothing is guessed: what is not in `tensors` is in one of
 * the lists.
 */
export interface NameMap {
  /** Path of the dictionary that was taken. */
  readonly group: string;
  /** What was stripped from all names. */
  readonly prefix: string;
  /** The network's name -> tensor; only those of the expected shape. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** The network's names that the checkpoint lacks. */
  readonly missing: readonly string[];
  /** The checkpoint's names that the network has no use for. */
  readonly unexpected: readonly string[];
  readonly wrongShapes: readonly WrongShape[];
  /** The checkpoint's names that a rule ignores. */
  readonly ignored: readonly string[];
  /** One line for each choice that was made, with what else could be chosen. */
  readonly notes: readonly string[];
}

/**
 * Finds a network's tensors in a checkpoint. Deterministic: the dictionary and the prefix with the
 * most expected names are taken; among equals the usual name, then the order of the file, and the
 * shortest prefix. `notes` name the choice.
 *
 * @param expected the network's names with their shapes
 * @throws PetalfaceError where `take` names no dictionary of the file, or the file holds no
 * tensors; never for names that do not fit
 */
export function mapNames(
  checkpoint: Checkpoint,
  expected: ReadonlyMap<string, readonly number[]>,
  rules: NameRules = {},
): NameMap {
  const groups = candidates(checkpoint, rules.take);
  const rename = rules.rename ?? ((name: string) => name);
  let best: { readonly group: TensorGroup; readonly prefix: string; readonly hits: number } | undefined;
  const fits: string[] = [];
  for (const group of groups) {
    let own = 0;
    for (const prefix of rules.prefix === undefined ? prefixesOf(group, expected) : [rules.prefix]) {
      let hits = 0;
      for (const name of group.tensors.keys())
        if (name.startsWith(prefix) && expected.has(rename(name.slice(prefix.length)))) hits++;
      if (best === undefined || hits > best.hits) best = { group, prefix, hits };
      own = Math.max(own, hits);
    }
    if (own > 0) fits.push(group.path);
  }
  if (best === undefined)
    throw new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${checkpoint.path}: it holds no tensors`);
  const { group, prefix } = best;

  const tensors = new Map<string, CheckpointTensor>();
  const wrongShapes: WrongShape[] = [];
  const seen = new Set<string>();
  const unexpected: string[] = [];
  const ignored: string[] = [];
  const heads: string[] = [];
  const ignore = rules.ignore ?? bufferNames;
  for (const [original, tensor] of group.tensors) {
    const name = original.startsWith(prefix) ? rename(original.slice(prefix.length)) : undefined;
    const shape = name === undefined ? undefined : expected.get(name);
    if (name === undefined && headNames.test(original)) {
      heads.push(original);
      continue;
    }
    if (name === undefined || shape === undefined || seen.has(name)) {
      (ignore.some((rule) => rule.test(name ?? original)) ? ignored : unexpected).push(original);
      continue;
    }
    seen.add(name);
    if (tensor.shape.join() === shape.join()) tensors.set(name, tensor);
    else wrongShapes.push({ name, expected: shape, found: tensor.shape });
  }
  const optional = rules.optional ?? [];
  const missing = [...expected.keys()].filter((name) => !seen.has(name) && !optional.some((rule) => rule.test(name)));
  const notes: string[] = [];
  if (checkpoint.groups.length > 1) {
    const others = fits.filter((path) => path !== group.path);
    const rest = others.length > 0 ? `${others.map(display).join(", ")} would fit too` : "no other one fits";
    const how = rules.take === undefined ? `; ${rest}` : "";
    notes.push(`tensors are taken from ${display(group.path)}${how}`);
  }
  if (prefix !== "") notes.push(`the names begin with ${quote(prefix)}, which is left out`);
  if (heads.length > 0) notes.push(`the head that it was trained with is left out: ${some(heads)}`);
  if (ignored.length > 0) notes.push(`${ignored.length} buffers are not needed: ${some(ignored)}`);
  return { group: group.path, prefix, tensors, missing, unexpected, wrongShapes, ignored, notes };
}

/**
 * Throws PetalfaceError where a network cannot be filled completely, listing what is missing, of
 * another shape, or left over.
 *
 * @param network what the message calls the network
 */
export function requireComplete(map: NameMap, checkpoint: Checkpoint, network: string): void {
  const parts: string[] = [];
  if (map.missing.length > 0) parts.push(`${map.missing.length} tensors are missing: ${some(map.missing)}`);
  if (map.wrongShapes.length > 0) {
    const shapes = map.wrongShapes.map(({ name, expected, found }) => `${name} is [${found}] and not [${expected}]`);
    parts.push(`${shapes.length} have another shape: ${some(shapes, "; ")}`);
  }
  if (map.unexpected.length > 0) parts.push(`${map.unexpected.length} are unexpected: ${some(map.unexpected)}`);
  if (parts.length === 0) return;
  const where = map.group === "" ? "" : `, dictionary ${display(map.group)}`;
  throw new PetalfaceError(
    "PETAL_CHECKPOINT_UNSUPPORTED",
    `${checkpoint.path}${where} does not fit ${network}: ${parts.join("; ")}. Look at it with "petalface inspect", and name another network or dictionary`,
  );
}

function candidates(checkpoint: Checkpoint, take: string | undefined): readonly TensorGroup[] {
  if (take !== undefined) {
    const group = checkpoint.groups.find(({ path }) => path === take);
    if (group !== undefined) return [group];
    const known = checkpoint.groups.map(({ path }) => display(path));
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSUPPORTED",
      `${checkpoint.path}: no dictionary ${quote(take)} with tensors; there are ${some(known)}`,
    );
  }
  const rank = ({ path }: TensorGroup): number => {
    const at = usualGroups.indexOf(path);
    return at < 0 ? usualGroups.length : at;
  };
  return checkpoint.groups.toSorted((one, other) => rank(one) - rank(other));
}

/**
 * Runs of wrappers' prefixes that at least one name begins with, and whatever stands before the
 * longest expected name (`features.module.` in MagFace's files, `module.features.` in FaceX-Zoo's);
 * the empty one first, then short before long.
 */
function prefixesOf({ tensors }: TensorGroup, expected: ReadonlyMap<string, readonly number[]>): string[] {
  const found = new Set([""]);
  const longest = [...expected.keys()].reduce((one, other) => (other.length > one.length ? other : one), "");
  for (const name of tensors.keys()) {
    if (longest !== "" && name.endsWith(`.${longest}`) && found.size < MOST_PREFIXES)
      found.add(name.slice(0, name.length - longest.length));
    let length = 0;
    for (let round = 0; round < MOST_WRAPPERS && found.size < MOST_PREFIXES; round++) {
      const wrapper = wrappers.find((word) => name.startsWith(word, length));
      if (wrapper === undefined) break;
      length += wrapper.length;
      found.add(name.slice(0, length));
    }
  }
  return [...found].sort((one, other) => one.length - other.length || (one < other ? -1 : 1));
}

function display(path: string): string {
  return path === "" ? "the top of the file" : quote(path);
}

function some(words: readonly string[], separator = ", "): string {
  const shown = words.slice(0, 6).join(separator);
  return words.length > 6 ? `${shown}${separator}... ${words.length - 6} more` : shown;
}
