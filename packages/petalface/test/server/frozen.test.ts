import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startServer } from "../../src/server/index.ts";
import { petalface } from "../cli/process.ts";
import { saveDeployed } from "../support/deployed.ts";
import { temporaryFolder } from "../support/folder.ts";
import { ask, drawnFace, form } from "./server.ts";

const folder = temporaryFolder("petalface-frozen-");

/** A server of a gallery with an adapter; three people are enrolled by the server itself. */
async function startAdapted() {
  const model = await saveDeployed(folder);
  const gallery = join(folder, "people.db");
  const made = await petalface(["gallery", "create", gallery, ...model, "--copies", "none"]);
  expect(made.code, made.stderr).toBe(0);
  const gate = { alpha: 0, side: 1 };
  const server = await startServer({ galleries: [gallery], port: 0, open: true, detector: "none", threads: 1, gate });
  for (const person of [0, 1, 2]) {
    const path = `/v1/galleries/people/people/p${person}/faces?force=true`;
    expect((await ask(server.address, "POST", path, form(await drawnFace(person, 0, 112)))).status).toBe(201);
  }
  return {
    search: async (query: string, ...photos: Uint8Array[]) =>
      (await ask(server.address, "POST", `/v1/galleries/people/search?margin=0&${query}`, form(...photos))).body,
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(gallery);
    },
  };
}

test("what the frozen model says comes with each face, and with the frames of one face", async () => {
  await using server = await startAdapted();
  const photos = [await drawnFace(1, 1, 112), await drawnFace(1, 2, 112), await drawnFace(1, 3, 112)];
  const single = await Promise.all(photos.map((photo) => server.search("frozen=true", photo)));
  for (const { photos: found } of single) {
    expect(found).toHaveLength(1);
    const [{ frozen }] = found;
    expect(frozen).toMatchObject({ decision: expect.any(String), falseAcceptRate: null });
    expect(frozen.candidates.map(({ person }: { person: string }) => person).toSorted()).toEqual(["p0", "p1", "p2"]);
  }
  const track = await server.search("frozen=true&track=true", ...photos);
  expect(track.photos).toHaveLength(1);
  const [joined] = track.photos;
  expect(joined.detail).toMatch(/^[123] of 3 frames$/);
  expect(joined.falseAcceptRate.rate).toBeGreaterThan(0);
  // The same frame three times is that frame.
  const [one] = photos;
  if (one === undefined) throw new Error("no photo");
  const [thrice] = (await server.search("frozen=true&track=true", one, one, one)).photos;
  const [once] = single[0].photos;
  expect(thrice.frozen.cosine).toBeCloseTo(once.frozen.cosine, 5);
  expect(thrice.cosine).toBeCloseTo(once.cosine, 5);
  // Without asking there is none.
  expect((await server.search("track=true", ...photos)).photos[0].frozen).toBeUndefined();
});
