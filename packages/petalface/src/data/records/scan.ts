import { itemAt } from "onnx-grad";
import { chunkHead, chunkSize, parseChunkHead, printPath, recordHead } from "../../images/index.ts";
import { createPause } from "../listing/index-of-files.ts";
import { findNext, type RecordHead, readHead } from "./heads.ts";
import { inFileOrder, type Keys } from "./keys.ts";
import type { Window } from "./window.ts";

/** Collects what is damaged: how many records, and a line on each of the first few. */
export interface Damage {
  count: number;
  readonly first: string[];
}

/** How a walk through a file is watched. */
export interface WalkOptions {
  readonly onProgress?: ((records: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Records between two turns of the event loop. */
const turn = 4096;

const named = 5;

/** Counts one record that cannot be read. */
export function noteDamage(damage: Damage, path: string, record: string, why: string): void {
  damage.count++;
  if (damage.first.length < named) damage.first.push(`${printPath(path)}, ${record}: ${why}`);
}

/**
 * Whether the first record says which records are images and which people:
 * `[first person, one past the last]`, and no image.
 */
export function isListHead({ flag, label, second, offset, end }: RecordHead): boolean {
  return (
    flag === 2 &&
    Number.isInteger(label) &&
    Number.isInteger(second) &&
    label >= 1 &&
    second >= label &&
    end - offset === chunkSize(recordHead + 8)
  );
}

/**
 * Walks through a whole file, record by record. A damaged place counts as one record; reading
 * continues at the next record after it.
 *
 * @returns for each record its position, its label (NaN where none) and its id, in the order of the
 * file
 */
export async function walk(window: Window, path: string, damage: Damage, options: WalkOptions) {
  const offsets: number[] = [];
  const labels: number[] = [];
  const ids: number[] = [];
  const pause = createPause(turn);
  let lists: RecordHead | undefined;
  for (let offset = 0; offset < window.size; ) {
    const head = await readHead(window, offset);
    if (typeof head === "string") {
      noteDamage(damage, path, `byte ${offset}`, head);
      offset = await findNext(window, offset + 4);
      continue;
    }
    const inside = await nextInside(window, head);
    if (inside !== undefined) {
      noteDamage(damage, path, `byte ${offset}`, "its length is wrong");
      offset = inside;
      continue;
    }
    if (head.id === 0 && isListHead(head)) lists = head;
    else {
      offsets.push(offset);
      labels.push(head.label);
      ids.push(head.id);
    }
    offset = head.end;
    await step(pause(), offsets.length, options);
  }
  return { offsets, labels, ids, lists };
}

/**
 * Where no record follows: the next one that begins within this one, whose length is then wrong.
 */
async function nextInside(window: Window, { offset, end }: RecordHead): Promise<number | undefined> {
  const place = await window.at(end, chunkHead);
  if (place === undefined || parseChunkHead(place.view, place.at) !== undefined) return undefined;
  const next = await findNext(window, offset + 4);
  return next < end ? next : undefined;
}

/** The labels of records whose places are known; NaN, and a note, for those that are damaged. */
export async function readLabels(
  window: Window,
  path: string,
  { keys, offsets }: Keys,
  damage: Damage,
  options: WalkOptions,
): Promise<{ readonly labels: Float32Array; readonly damaged: Uint8Array }> {
  const labels = new Float32Array(keys.length);
  const damaged = new Uint8Array(keys.length);
  const pause = createPause(turn);
  for (const at of inFileOrder(offsets)) {
    const head = await readHead(window, itemAt(offsets, at));
    if (typeof head === "string") {
      noteDamage(damage, path, `record ${keys[at]}`, head);
      damaged[at] = 1;
      labels[at] = Number.NaN;
    } else labels[at] = head.label;
    await step(pause(), at, options);
  }
  return { labels, damaged };
}

async function step(
  pausing: Promise<void> | undefined,
  done: number,
  { onProgress, signal }: WalkOptions,
): Promise<void> {
  if (pausing === undefined) return;
  onProgress?.(done);
  await pausing;
  signal?.throwIfAborted();
}
