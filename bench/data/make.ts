import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { openData } from "petalface/data";
import { writeRecords } from "../skeleton/records.ts";

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
  const records = writeRecords(
    rec,
    (at) => itemAt(bytes, at % bytes.length),
    (_, written) => written >= gigabytes * 1e9,
  );
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
