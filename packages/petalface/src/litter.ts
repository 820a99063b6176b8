/**
 * What network storage, archives and desktops leave between a user's files, by name in lower case:
 * thumbnails, recycle bins, snapshots and metadata. Some of it holds pictures, which would count as
 * faces once more.
 */
const names: ReadonlySet<string> = new Set([
  "@eadir",
  "@tmp",
  "@recycle",
  "@recently-snapshot",
  "@__thumb",
  "@sharesnap",
  "#recycle",
  "#snapshot",
  "__macosx",
  "$recycle.bin",
  "recycler",
  "system volume information",
  "lost+found",
  "found.000",
  "thumbs.db",
  "ehthumbs.db",
  "ehthumbs_vista.db",
  "desktop.ini",
  "icon\r",
]);

/**
 * Whether a file or folder of this name is litter, or hidden: its name begins with a dot, as
 * `.DS_Store` and macOS's `._photo.jpg` do.
 */
export const isLitter = (name: string): boolean => name.startsWith(".") || names.has(name.toLowerCase());

/**
 * Whether a path that a list names leads through litter. Other hidden folders are taken: whoever
 * wrote the list chose them.
 */
export const leadsThroughLitter = (path: string): boolean =>
  path.split(/[\\/]/).some((part) => part.startsWith("._") || names.has(part.toLowerCase()));
