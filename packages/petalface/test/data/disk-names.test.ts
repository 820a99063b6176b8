import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { beforeAll, describe, expect, it, test } from "vitest";
import { openData } from "../../src/data/index.ts";
import { createNames } from "../../src/data/listing/names.ts";
import { bytesOfName, entriesOf, nameOfBytes, onDisk, plainName } from "../../src/disk-names.ts";
import { countSources, walkSources } from "../../src/faces/sources.ts";
import { findFfmpeg, videoFrames } from "../../src/faces/video.ts";
import { printPath } from "../../src/images/index.ts";
import { petalface } from "../cli/process.ts";
import { temporaryFolder } from "../support/folder.ts";

test("any bytes are a name and come back, as Python's surrogateescape has it", () => {
  expect(nameOfBytes(Buffer.from("Ren\xe9.jpg", "latin1"))).toBe("Ren\udce9.jpg");
  expect(nameOfBytes(Buffer.from("Zoë \u{1f600} \ufffd"))).toBe("Zoë \u{1f600} \ufffd");
  // A surrogate in UTF-8's form is no UTF-8.
  expect(nameOfBytes(Buffer.from([0xed, 0xb3, 0xa9]))).toBe("\udced\udcb3\udca9");
  expect(plainName("a\udce9\udcff")).toBe("a%E9%FF");
  expect(printPath("a\udce9")).toBe('"a\\udce9"');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const name = nameOfBytes(bytes);
      expect([...bytesOfName(name)]).toEqual([...bytes]);
      const names = createNames();
      for (const text of ["x", name, "y"]) names.push(text);
      const kept = names.finish();
      expect([kept.at(0), kept.at(1), kept.at(2)]).toEqual(["x", name, "y"]);
    }),
  );
});

// macOS and Windows have no other names than Unicode's.
describe.skipIf(process.platform !== "linux")("a set with names that are not UTF-8", () => {
  const base = temporaryFolder();
  const root = join(base, "set");
  const raw = (name: string): Buffer => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, "latin1")]);
  // "\ufffd" in UTF-8, a name like any other, beside one that Node would show as the same.
  const mark = Buffer.from("\ufffd").toString("latin1");
  const ids = ["Ren\udce8/1.jpg", "Ren\udce9/1.jpg", "Ren\udce9/2\udcff.jpg", "Zoë/1.jpg", "\ufffd/1.jpg"];

  beforeAll(async () => {
    mkdirSync(root);
    const picture = async (grey: number): Promise<Buffer> => {
      const noise = { type: "gaussian", mean: grey, sigma: 40 } as const;
      return sharp({ create: { width: 32, height: 32, channels: 3, background: "#888", noise } })
        .jpeg()
        .toBuffer();
    };
    for (const folder of ["Ren\xe9", "Ren\xe8", mark, Buffer.from("Zoë").toString("latin1")]) mkdirSync(raw(folder));
    for (const [at, file] of ["Ren\xe9/1.jpg", "Ren\xe9/2\xff.jpg", "Ren\xe8/1.jpg", `${mark}/1.jpg`].entries())
      writeFileSync(raw(file), await picture(60 + 40 * at));
    writeFileSync(join(root, "Zoë/1.jpg"), await picture(90));
  });

  it("is listed with all its people and pictures, from the disk and from a kept list", async () => {
    const cache = join(base, "cache");
    // Times of folders must be older than a file system's clock may tick for a list to be kept.
    execFileSync("find", [root, "-exec", "touch", "-d", "2020-01-01", "{}", "+"]);
    const options = { cache, cacheFrom: 1 };
    for (const data of [
      await openData(root, { cache: false }),
      await openData(root, options),
      await openData(root, options),
    ]) {
      expect(data.people).toEqual(["Ren\udce8", "Ren\udce9", "Zoë", "\ufffd"]);
      expect(Array.from({ length: data.length }, (_, at) => data.at(at).id)).toEqual(ids);
      expect(data.unreadable).toMatchObject({ count: 0, tried: 5 });
    }
    expect([...entriesOf(root)].map(({ name }) => name).sort()).toEqual(["Ren\udce8", "Ren\udce9", "Zoë", "\ufffd"]);
    expect(readFileSync(onDisk(join(root, "Ren\udce9/2\udcff.jpg")))).toEqual(readFileSync(raw("Ren\xe9/2\xff.jpg")));
  });

  it("is read by commands: every picture is measured, packed and degraded under a name of its own", async () => {
    const quality = await petalface(["quality", root, "--metric", "sharpness", "--json"]);
    expect(quality.code, quality.stderr).toBe(0);
    expect(quality.stdout).toContain('"Ren\\udce9/2\\udcff.jpg"');
    expect(JSON.parse(quality.stdout).leftOut.count).toBe(0);
    const worse = await petalface(["degrade", root, join(base, "worse"), "--to", "lr:8", "--size", "32"]);
    expect(worse.code, worse.stderr).toBe(0);
    const written = readdirSync(join(base, "worse"), { recursive: true }).map(String);
    expect(written.filter((name) => name.endsWith(".png")).sort()).toEqual([
      "Ren%E8/1.png",
      "Ren%E9/1.png",
      "Ren%E9/2%FF.png",
      "Zoë/1.png",
      "\ufffd/1.png",
    ]);
    const packed = await petalface(["data", "pack", root, "--out", join(base, "set.rec"), "--json"]);
    expect(packed.code, packed.stderr).toBe(0);
    expect(JSON.parse(packed.stdout)).toMatchObject({ images: 5, people: 4 });
    expect(readFileSync(join(base, "set.lst"), "utf8")).toContain("\tRen%E9/2%FF.jpg\t");
  });

  it("is aligned into files whose names are UTF-8", () => {
    expect(countSources(root)).toMatchObject({ photos: 5, others: 0, people: true });
    const sources = [...walkSources(root, true)];
    expect(sources.map(({ id }) => id)).toEqual(ids);
    expect(sources.map(({ stem }) => stem)).toEqual(["Ren%E8/1", "Ren%E9/1", "Ren%E9/2%FF", "Zoë/1", "\ufffd/1"]);
    expect(sources.map(({ person }) => person)).toEqual(["Ren%E8", "Ren%E9", "Ren%E9", "Zoë", "\ufffd"]);
  });

  const ffmpeg = findFfmpeg();
  it.skipIf(ffmpeg === undefined)("holds videos that ffmpeg reads (needs ffmpeg on the PATH)", async () => {
    const plain = join(base, "plain.mp4");
    const made = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=5:duration=1", "-y", plain];
    execFileSync(ffmpeg ?? "", ["-v", "error", ...made]);
    const place = Buffer.concat([Buffer.from(`${base}/`), Buffer.from("Ren\xe9.mp4", "latin1")]);
    renameSync(plain, place);
    let frames = 0;
    for await (const { width, height } of videoFrames(ffmpeg ?? "", nameOfBytes(place), 5)) {
      frames++;
      expect([width, height]).toEqual([64, 48]);
    }
    expect(frames).toBe(5);
  });

  it("can be named by a manifest in JSON lines", async () => {
    const list = join(root, "list.jsonl");
    writeFileSync(list, ids.map((path) => JSON.stringify({ path })).join("\n"));
    const data = await openData(list, { cache: false });
    expect(Array.from({ length: data.length }, (_, at) => data.at(at).id)).toEqual(ids);
    expect(data.unreadable?.count).toBe(0);
  });
});
