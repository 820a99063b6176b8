import type { Findings, NamedFace, NamedGroup } from "../../../../api/inspect/findings.ts";

/** Findings of a kind that are printed; the rest is in --json and on the page. */
const shown = 5;

const count = (value: number, what: string): string => `${value.toLocaleString("en")} ${what}${value === 1 ? "" : "s"}`;
const place = ({ id, set }: NamedFace): string => (set === "against" ? `${id} (other set)` : id);

/** What an audit found, for people: numbers, and the first few of each kind. */
export function printFindings(findings: Findings): string[] {
  const { pictures, unreadable, notFinite, complete, exact, near, outliers, shared } = findings;
  const lines = [`${count(pictures, "picture")} compared${unreadable === 0 ? "" : `, ${unreadable} cannot be read`}`];
  const list = (items: readonly string[]): void => {
    lines.push(...items.slice(0, shown).map((item) => `  ${item}`));
    if (items.length > shown) lines.push(`  and ${(items.length - shown).toLocaleString("en")} more`);
  };
  const groups = (what: string, found: readonly NamedGroup[]): void => {
    const copies = found.reduce((sum, { faces }) => sum + faces.length - 1, 0);
    const names = found.filter(({ people }) => people).length;
    const sets = found.filter(({ sets: both }) => both).length;
    lines.push(
      `${what}: ${count(copies, "picture")} of ${count(found.length, "group")}${names > 0 ? `, ${names} under several names` : ""}${sets > 0 ? `, ${sets} in both sets` : ""}`,
    );
    const worstFirst = found.toSorted((a, b) => Number(b.people) + Number(b.sets) - Number(a.people) - Number(a.sets));
    list(worstFirst.map(({ faces }) => faces.slice(0, 4).map(place).join(" = ")));
  };
  groups("exact copies", exact);
  groups("near copies", near);
  if (!complete) lines.push("too many pictures look alike: not every pair was compared");
  if (notFinite.length > 0) {
    lines.push(`left out, since the model has no finite embedding of them: ${count(notFinite.length, "picture")}`);
    list(notFinite.map(place));
  }
  if (outliers !== null) {
    const { below, faces } = outliers;
    lines.push(
      below === null
        ? "wrong names: no person has two faces to compare"
        : `wrong names: ${count(faces.length, "face")} no nearer to their person than different people are (cosine below ${below.toFixed(2)})`,
    );
    list(
      faces.map(
        ({ id, own, like }) =>
          `${id}: ${own.toFixed(2)}${like === null ? "" : `, looks like ${like.person} (${like.cosine.toFixed(2)})`}`,
      ),
    );
  }
  if (shared !== null) {
    lines.push(`people of equal name in both sets: ${shared.names.length.toLocaleString("en")}`);
    list(shared.names);
    if (shared.alike !== null) {
      lines.push(
        `people who look like one: ${count(shared.alike.length, "pair")} (cosine from ${shared.from?.toFixed(2)})`,
      );
      list(shared.alike.map(({ person, other, cosine }) => `${person} = ${other} (${cosine.toFixed(2)})`));
    }
  }
  return lines;
}
