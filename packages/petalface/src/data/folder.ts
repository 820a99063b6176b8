import { opendir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { PetalfaceError } from "../errors.ts";
import { imageExtensions } from "../images/index.ts";
import { byCodeUnits, dataOfFiles } from "./files.ts";
import type { FaceData } from "./types.ts";

/** What one folder holds, sorted. */
interface Listing {
  readonly folders: readonly string[];
  readonly images: readonly string[];
  readonly others: number;
}

const foldersAtOnce = 16;

/**
 * Opens a folder of one folder per person, or a flat folder of photos without names. Hidden entries are passed over, files
 * that are no images are counted in `skipped`, a person without photos is left out.
 *
 * @throws PetalfaceError where the folder is empty, mixes both layouts, or goes deeper
 */
export async function openFolder(root: string): Promise<FaceData> {
  const top = await list(root);
  if (top.images.length > 0 && top.folders.length > 0) {
    throw new PetalfaceError(
      `${root} holds both folders (such as ${top.folders[0]}) and loose photos (such as ${top.images[0]}); put each photo into its person's folder`,
    );
  }
  const data = top.folders.length > 0 ? await openPeople(root, top) : await openFlat(root, top);
  if (data.length === 0) {
    const others = data.skipped ? ` (${data.skipped} other files were seen)` : "";
    throw new PetalfaceError(`${root} holds no photos${others}; photos end in ${[...imageExtensions].join(" ")}`);
  }
  return data;
}

function openFlat(root: string, { images, others }: Listing): Promise<FaceData> {
  const person = new Int32Array(images.length).fill(-1);
  const id = (index: number) => images[index] as string;
  const files = { spec: root, root, people: [], person, length: images.length, id, skipped: others };
  return dataOfFiles(files, (index, cause) => vanished(join(root, id(index)), cause));
}

async function openPeople(root: string, top: Listing): Promise<FaceData> {
  const people: string[] = [];
  const names: string[] = [];
  const firstOfPerson: number[] = [];
  let skipped = top.others;
  for (let start = 0; start < top.folders.length; start += foldersAtOnce) {
    const part = top.folders.slice(start, start + foldersAtOnce);
    const listings = await Promise.all(part.map((folder) => list(join(root, folder))));
    listings.forEach(({ images, folders, others }, at) => {
      const folder = part[at] as string;
      if (folders.length > 0) {
        throw new PetalfaceError(
          `${join(root, folder)} holds the folder ${folders[0]}; ${root} must be a folder of one folder per person, no deeper`,
        );
      }
      skipped += others;
      if (images.length === 0) return;
      firstOfPerson.push(names.length);
      people.push(folder);
      for (const image of images) names.push(image);
    });
  }
  const person = new Int32Array(names.length);
  firstOfPerson.forEach((first, index) => {
    person.fill(index, first);
  });
  const id = (index: number) => `${people[person[index] as number]}/${names[index]}`;
  return dataOfFiles({ spec: root, root, people, person, length: names.length, id, skipped }, (index, cause) =>
    vanished(join(root, id(index)), cause),
  );
}

async function list(folder: string): Promise<Listing> {
  const folders: string[] = [];
  const images: string[] = [];
  let others = 0;
  try {
    for await (const entry of await opendir(folder, { bufferSize: 256 })) {
      if (entry.name.startsWith(".")) continue;
      // A link counts as what it leads to; one that leads nowhere is reported when its size is asked for.
      const target = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => undefined) : entry;
      if (target?.isDirectory()) folders.push(entry.name);
      else if ((target === undefined || target.isFile()) && imageExtensions.has(extname(entry.name).toLowerCase()))
        images.push(entry.name);
      else others++;
    }
  } catch (cause) {
    throw new PetalfaceError(`cannot list ${folder}: ${(cause as Error).message}`, { cause });
  }
  return { folders: folders.sort(byCodeUnits), images: images.sort(byCodeUnits), others };
}

function vanished(path: string, cause: unknown): PetalfaceError {
  return new PetalfaceError(`${path} was listed and cannot be read: ${(cause as Error).message}`, { cause });
}
