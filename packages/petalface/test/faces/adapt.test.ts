import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { createLocator, judgeAlignment, openDetector, template } from "../../src/faces/index.ts";
import { drawFace, openFaceSpace } from "../../src/images/index.ts";
import { petalface } from "../cli/process.ts";
import { paint, shared } from "../images/helpers.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type PutFace, writeRetinaface } from "./graphs.ts";

const folder = temporaryFolder();
const at = (...parts: string[]): string => join(folder, ...parts);

async function writeSet(name: string, width: number, height: number, people = 4): Promise<string[]> {
  const paths: string[] = [];
  for (let person = 0; person < people; person++) {
    mkdirSync(at(name, `p${person}`), { recursive: true });
    for (let photo = 0; photo < 2; photo++) {
      const { data } = paint(
        width,
        height,
        (x, y, channel) => (x * (channel + 2) + y * 5 + 31 * person + 7 * photo) & 255,
      );
      const path = at(name, `p${person}`, `${photo}.png`);
      await sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(path);
      paths.push(path);
    }
  }
  return paths;
}

describe("whether photos are aligned faces", () => {
  const opened: number[] = [];
  const judge = async (paths: readonly string[], points: PutFace["points"] | undefined) => {
    const path = at(`judge-${opened.push(0)}.onnx`);
    const face = points && [{ points, score: 0.99, box: [20, 20, 100, 110] as const }];
    await writeRetinaface(path, { width: 128, height: 128 }, face ?? []);
    return await judgeAlignment(
      paths.length,
      (number) => itemAt(paths, number),
      async () => {
        const detector = await openDetector(path);
        return { detector, locator: createLocator(detector.kind, undefined), close: () => detector.close() };
      },
    );
  };
  const never = async (): Promise<never> => {
    throw new Error("nothing had to be opened");
  };

  test("is plain where one is not square, and where all are small squares", async () => {
    const tall = await writeSet("tall", 60, 80, 1);
    expect(await judgeAlignment(2, (number) => itemAt(tall, number), never)).toEqual({
      aligned: false,
      reason: `${tall[0]} is 60 x 80`,
    });
    const small = await writeSet("small", 112, 112, 1);
    expect((await judgeAlignment(2, (number) => itemAt(small, number), never)).aligned).toBe(true);
  });

  test("is what the faces in larger squares say", async () => {
    const large = await writeSet("large", 200, 200, 1);
    // The square of 112 px is drawn on a canvas of 128.
    const scaled = (shift: number) => template(128).map(([x, y]) => [x + shift, y]) as unknown as PutFace["points"];
    expect(await judge(large, scaled(0))).toEqual({
      aligned: true,
      reason: "2 of 2 faces in 2 of them lie on the template",
    });
    expect((await judge(large, scaled(25))).aligned).toBe(false);
    expect((await judge(large, undefined)).aligned).toBe(true);
  });
});

const photos = shared("data", "lfw250_sample");
const crops = shared("data", "lfw112");

test.skipIf(!photos.exists)(
  "real photos are told from their crops, however large (needs PETALFACE_SHARED)",
  async () => {
    const names = readFileSync(`${photos.path}_landmarks.txt`, "utf8")
      .trim()
      .split("\n")
      .map((line) => itemAt(line.split("\t", 1), 0));
    const open = async () => {
      const detector = await openDetector(shared("weights", "scrfd_2.5g_bnkps.onnx").path);
      return { detector, locator: createLocator(detector.kind, undefined), close: () => detector.close() };
    };
    expect(
      await judgeAlignment(names.length, (number) => join(photos.path, itemAt(names, number)), open),
    ).toMatchObject({ aligned: false });
    const enlarged = names
      .slice(0, 12)
      .map((name, number) => [join(crops.path, name), at(`crop-${number}.png`)] as const);
    for (const [from, to] of enlarged) await sharp(from).resize(250).png().toFile(to);
    expect(
      await judgeAlignment(12, (number) => (enlarged[number] as readonly [string, string])[1], open),
    ).toMatchObject({ aligned: true });
  },
);

describe("adapt on photos", () => {
  const model = at("tiny.onnx");
  const run = (train: string, out: string, ...more: string[]) =>
    petalface([
      ...["adapt", "--model", model, "--train", train, "--out", out, "--rank", "2", "--epochs", "1", "--batch", "4"],
      ...["--sites", "all", "--lr-pixels", "4", "--quality", "sharpness", "--threads", "1", "--json", ...more],
    ]);

  beforeAll(() => writeTinyBackbone(model));

  test("takes aligned faces as they are", async () => {
    const space = await openFaceSpace();
    for (let image = 0; image < 12; image++) {
      const { data } = drawFace(space, { seed: 1, person: image % 4, image }, 56);
      mkdirSync(at("faces", `p${image % 4}`), { recursive: true });
      const raw = { width: 56, height: 56, channels: 3 } as const;
      await sharp(data, { raw })
        .png()
        .toFile(at("faces", `p${image % 4}`, `${image}.png`));
    }
    const { code, stderr } = await run(at("faces"), at("run-faces"));
    expect(stderr).not.toMatch(/^petalface: /m);
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/aligning/);
    expect(readdirSync(at("run-faces"))).not.toContain("aligned");
  });

  test("--aligned yes takes photos as they are; else the detector is fetched, or one line says why not", async () => {
    await writeSet("wide", 60, 40);
    const { code, stderr } = await run(at("wide"), at("run-yes"), "--aligned", "yes");
    expect(code).toBe(1);
    expect(stderr).toMatch(/60 x 40, not an aligned square face/);
    // Without the registry and without the detector in the cache it says so in one line.
    const away = await petalface(
      ["adapt", "--model", model, "--train", at("wide"), "--out", at("run-away"), "--quiet"],
      {
        env: {
          PETALFACE_CACHE: at("no-cache"),
          npm_config_registry: "http://127.0.0.1:9/",
          npm_config_fetch_retries: "0",
        },
      },
    );
    expect([away.code, away.stderr.trim().split("\n").length]).toEqual([1, 1]);
    expect(away.stderr).toMatch(/cannot fetch model "fr_detect"/);
  });
});
