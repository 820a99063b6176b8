/**
 * What needs no graph: files that appear whole, placeholders of files, checked access to lists,
 * results made once. Worker threads that prepare images load this alone, in a third of the time.
 */
export { placeholderBytes, placeholderOf } from "./format/placeholder.ts";
export {
  type AtomicFile,
  type AtomicOptions,
  isRunning,
  isUnfinished,
  machineMark,
  makeFolder,
  openAtomicFile,
  reasonOf,
  removeEmpty,
  removeUnfinished,
  unfinishedName,
  writeFileAtomic,
} from "./format/write-file.ts";
export { entryOf, itemAt, lastOf, type Tuple, tupleOf } from "./graph/item-at.ts";
export { once } from "./graph/once.ts";
