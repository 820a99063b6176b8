import { closeSync, openSync, writeSync } from "node:fs";
import { encodeRecord } from "petalface/data";

/** Pictures of a person. */
const perPerson = 20;

/** Records that are written at a time. */
const group = 4000;

/**
 * Writes a record file in insightface's layout with its .idx: the pictures of each person, then a
 * record for each person that says which they are.
 *
 * @param isEnough whether so many people in so many bytes are enough
 * @returns how many pictures there are
 */
export function writeRecords(
  rec: string,
  pictureAt: (at: number) => Uint8Array,
  isEnough: (people: number, bytes: number) => boolean,
): number {
  const [file, idx] = [openSync(rec, "w"), openSync(rec.replace(/rec$/, "idx"), "w")];
  let [position, pending, lines] = [0, [] as Uint8Array[], [] as string[]];
  const flush = (): void => {
    writeSync(file, Buffer.concat(pending));
    writeSync(idx, lines.join(""));
    [pending, lines] = [[], []];
  };
  const add = (key: number, record: Uint8Array): void => {
    pending.push(record);
    lines.push(`${key}\t${position}\n`);
    position += record.length;
    if (pending.length === group) flush();
  };
  let people = 0;
  for (; !isEnough(people, position); people++)
    for (let at = people * perPerson; at < (people + 1) * perPerson; at++)
      add(at + 1, encodeRecord({ label: people, id: at + 1 }, pictureAt(at)));
  const pictures = people * perPerson;
  for (let person = 0; person < people; person++) {
    const label = [person * perPerson + 1, (person + 1) * perPerson + 1];
    add(pictures + 1 + person, encodeRecord({ label, id: pictures + 1 + person }, new Uint8Array()));
  }
  add(0, encodeRecord({ label: [pictures + 1, pictures + 1 + people], id: 0 }, new Uint8Array()));
  flush();
  closeSync(file);
  closeSync(idx);
  return pictures;
}
