import { dropFromBlocks, giveInBlocks } from "./blocks.ts";
import { personOf } from "./forget.ts";
import { dropIndex, mergeInIndex } from "./nearest.ts";
import { activeModel, note, type Statements } from "./statements.ts";

/**
 * Renames a person, or makes two people one where the name is taken. Returns whether it did the
 * latter.
 */
export function renamePerson(path: string, sql: Statements, from: string, to: string): boolean {
  const person = personOf(path, sql, from);
  if (from === to) return false;
  const other = sql.get<{ readonly id: number }>("SELECT id FROM people WHERE name = ?", to)?.id;
  if (other === undefined) {
    sql.run("UPDATE people SET name = ? WHERE id = ?", to, person);
    note(sql, "rename", person, 0);
    return false;
  }
  // A picture that both have stays where it is, and goes with the person.
  const idsOf = (owner: number): number[] =>
    sql.all<{ readonly id: number }>("SELECT id FROM faces WHERE person = ?", owner).map(({ id }) => id);
  const all = idsOf(person);
  const { changes } = sql.run("UPDATE OR IGNORE faces SET person = ? WHERE person = ?", other, person);
  const model = activeModel(path, sql);
  const going = idsOf(person);
  dropFromBlocks(path, sql, model, going);
  giveInBlocks(path, sql, model, all, other);
  // Faces that are deleted must not stay in it.
  if (going.length > 0) dropIndex(sql);
  else mergeInIndex(sql, person, other);
  sql.run("DELETE FROM people WHERE id = ?", person);
  note(sql, "merge", other, changes);
  return true;
}
