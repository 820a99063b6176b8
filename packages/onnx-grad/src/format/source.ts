import { realpathSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { OnnxGradError } from "../graph/errors.ts";
import { type PositionedFile, withFile } from "./file.ts";
import { placeholderBytes, placeholderOf } from "./placeholder.ts";
import { SELF } from "./thin.ts";

/** A file that a model's tensors lie in. */
export interface DataFile {
  /** Its real path. */
  readonly file: string;
  /** Its size in bytes. */
  readonly size: number;
}

/** The model file that is being read, and what reading has found and used up so far. */
export interface Source {
  readonly path: string;
  /** Files of external data by location; a text says why there is none. */
  readonly files: Map<string, DataFile | string>;
  /** How many more bytes of tensors in files may be read into memory. */
  room: number;
}

/** Integer tensors of all sizes together; a file can name the same bytes a million times. */
const ROOM = 64 << 20;

/** Starts reading a model; its path must be absolute. */
export function startSource({ path, size }: PositionedFile): Source {
  return { path, files: new Map([[SELF, { file: realpathSync(path), size }]]), room: ROOM };
}

/**
 * The file behind the location of an external tensor, looked up once. Only regular files inside the
 * model's folder are given, or next to the file that the model's own path links to (model caches
 * keep both as links into one folder). A text says why there is none.
 */
export function locate(source: Source, location: string): DataFile | string {
  const known = source.files.get(location);
  if (known !== undefined) return known;
  const found = look(source.path, location);
  source.files.set(location, found);
  return found;
}

function look(path: string, location: string): DataFile | string {
  const shown = `lies in "${location.slice(0, 200)}", which is`;
  const parts = location.split(/[\\/]/);
  if (location.includes("\0") || parts.includes("..") || /^([\\/]|[A-Za-z]:)/.test(location)) {
    return `${shown} outside the model's folder`;
  }
  try {
    const named = resolve(join(dirname(path), ...parts));
    const stat = statSync(named, { throwIfNoEntry: false });
    if (stat?.isFile() !== true) return `${shown} no file next to the model; put it there`;
    const file = realpathSync(named);
    const roots = [realpathSync(dirname(path)), dirname(realpathSync(path))];
    const inside = roots.some((root) => file.startsWith(root.endsWith(sep) ? root : root + sep));
    if (!inside) return `${shown} a link to a file outside the model's folder; copy it there`;
    const other = withFile(file, ({ size, read }) => placeholderOf(read(0, Math.min(placeholderBytes, size))));
    return other === undefined ? { file, size: stat.size } : `${shown} ${other}`;
  } catch (error) {
    const cause = error instanceof OnnxGradError ? error.cause : error;
    const why = cause instanceof Error && "code" in cause ? cause.code : error;
    return `${shown} no file that can be read (${why})`;
  }
}
