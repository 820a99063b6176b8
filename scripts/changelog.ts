/**
 * The part of a changelog that belongs to a version, without its heading; undefined where there is
 * none.
 */
export function sectionOf(changelog: string, version: string): string | undefined {
  const parts = changelog.split(/^## /m).slice(1);
  const part = parts.find((each) => each.split(/[\s\]]/, 1)[0]?.replace("[", "") === version);
  return part?.slice(part.indexOf("\n") + 1).trim();
}
