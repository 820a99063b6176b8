import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { encodeRecord, openData } from "petalface/data";

/** A record file of LFW's photos, repeated, with a .idx next to it. */
export async function makeRecords(
  photos: string,
  folder: string,
  gigabytes: number,
): Promise<{ readonly rec: string; readonly records: number }> {
  console.error(`making a record file of ${gigabytes} GB ...`);
  const data = await openData(photos);
  const bytes = Array.from({ length: Math.min(data.length, 5000) }, (_, at) => {
    const { source } = data.at(at);
    return readFileSync(source.kind === "file" ? source.path : "");
  });
  const rec = join(folder, "train.rec");
  const [file, idx] = [openSync(rec, "w"), openSync(rec.replace(/rec$/, "idx"), "w")];
  const perPerson = 20;
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
    if (pending.length === 2000) flush();
  };
  let records = 0;
  for (; position < gigabytes * 1e9 || records % perPerson !== 0; records++) {
    const label = Math.floor(records / perPerson);
    add(records + 1, encodeRecord({ label, id: records + 1 }, bytes[records % bytes.length] as Buffer));
  }
  const last = records / perPerson;
  for (let person = 0; person < last; person++) {
    const label = [person * perPerson + 1, (person + 1) * perPerson + 1];
    add(records + 1 + person, encodeRecord({ label, id: records + 1 + person }, new Uint8Array()));
  }
  add(0, encodeRecord({ label: [records + 1, records + 1 + last], id: 0 }, new Uint8Array()));
  flush();
  closeSync(file);
  closeSync(idx);
  return { rec, records };
}

/** A folder of people with small files. */
export function makeFiles(faces: string, files: number, people: number): void {
  const each = Math.ceil(files / people);
  console.error(`making ${files} files ...`);
  let made = 0;
  for (let person = 0; person < people; person++) {
    const folder = join(faces, `person_${String(person).padStart(6, "0")}`);
    mkdirSync(folder, { recursive: true });
    for (let i = 0; i < each && made < files; i++, made++)
      writeFileSync(join(folder, `face_${String(i).padStart(5, "0")}.jpg`), "not really a jpg");
  }
  if (readdirSync(faces).length === 0) throw new Error("made no files");
}
