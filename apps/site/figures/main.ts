/**
 * Draws the figures of README and site into docs/figures:
 * `npm run figures -w petalface-site -- --adapter demo-out/petal`. Without an adapter it draws
 * those that need none.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { openModel } from "petalface";
import { openFaceSpace } from "petalface/images";
import { alphaFigure } from "./alpha.ts";
import { beforeAfterFigure } from "./before-after.ts";
import { gatesFigure } from "./gates.ts";
import { resultFigures } from "./results.ts";
import { sitesFigure } from "./sites.ts";

const { values } = parseArgs({
  options: { model: { type: "string", default: "fr_feature" }, adapter: { type: "string" } },
});
const save = (name: string, svg: string): Promise<void> =>
  writeFile(new URL(`../../../docs/figures/${name}.svg`, import.meta.url), svg);

await save("sites", sitesFigure());
await save("gates", gatesFigure());
for (const [name, svg] of Object.entries(resultFigures())) await save(name, svg);
if (values.adapter !== undefined) {
  const space = await openFaceSpace();
  const { model, adapter } = values;
  await using frozen = await openModel({ model });
  await using adapted = await openModel({ model, adapter });
  await save("alpha", await alphaFigure(space, adapted));
  await save("before-after", await beforeAfterFigure(space, frozen, adapted));
}
