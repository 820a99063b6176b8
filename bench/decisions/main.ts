/** Decisions of galleries on real faces: open-set searches, tracks, and the templates of people with several photos. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { contenders, testFolds } from "../faces/plan.ts";
import { trainJob } from "../faces/run.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { openDescribing } from "./describe.ts";
import { peopleOf } from "./faces.ts";
import { openSetTables } from "./open-set.ts";
import { templateTable } from "./templates.ts";
import { trackTable } from "./tracks.ts";

/** Strangers are people that no adapter was trained on either. */
const strangerFolds = [4, 5, 6];

export default defineBenchmark({
  name: "decisions",
  title: "Decisions of galleries",
  measures: "Open-set searches by quality, tracks of several frames, and templates of several photos, on LFW.",
  minutes: 10,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    model: { help: "a name among the shared weights", default: "mobilefacenet" },
    adapter: { help: "a run of `petalface adapt`; trained as `bench -- faces` trains petal unless given", default: "" },
    images: { help: "training images seen", default: 4800 },
    frozen: { help: "the frozen model alone", default: false },
    strangers: { help: "people who are searched for and not enrolled", default: 1000 },
    copies: { help: "sides of the low-resolution copies that are enrolled", default: [16, 12] },
  },
  async run({ model, adapter, images, frozen, strangers: count, copies }, { work }) {
    const people = await peopleOf(testFolds);
    const known = new Set(people.map(({ name }) => name));
    const strangers = (await peopleOf(strangerFolds)).filter(({ name }) => !known.has(name)).slice(0, count);
    const adapterOf = async (): Promise<string> => {
      if (adapter !== "") return adapter;
      const folder = join(work, model, `petal-${images}`);
      const contender = contenders.find(({ name }) => name === "petal");
      if (contender === undefined) throw new Error("bench -- faces has no petal");
      if (!existsSync(join(folder, "run", "adapter", "adapter_model.safetensors")))
        await trainJob({ contender, model: `${model}.onnx`, seed: 0, images, folds: testFolds, threads: 2, folder });
      return join(folder, "run");
    };
    const kinds = [
      { name: "frozen", adapter: undefined },
      ...(frozen ? [] : [{ name: "adapted", adapter: await adapterOf() }]),
    ];
    const parts: string[] = [];
    for (const kind of kinds) {
      await using describing = await openDescribing(model, kind.adapter, join(work, model, "embedded", kind.name));
      parts.push(
        `## ${model}, ${kind.name}`,
        `### Strangers\n\n${await openSetTables(describing, people, strangers, copies)}`,
        `### Tracks\n\n${await trackTable(describing, people, copies)}`,
        `### Templates\n\n${await templateTable(describing, people, copies)}`,
      );
      console.error(`${kind.name}: done`);
    }
    const trained = frozen
      ? ""
      : adapter === ""
        ? `The adapter is petal of \`bench -- faces\`, ${images} images.`
        : "The adapter was given with `--adapter`.";
    return {
      body: `Gallery: ${people.length} people of LFW's folds ${testFolds.join(", ")}, their first photo each. Mates: the second photo of those who have
one. Strangers: ${strangers.length} people of folds ${strangerFolds.join(", ")}. No adapter was trained on any of them. Enrolled with copies of
${copies.join(" and ")} px, weight 1 - alpha of the searched face. Values in per cent, with 95 % intervals of a bootstrap over
people; thresholds are set again in each resample. ${trained}

${parts.join("\n\n")}`,
    };
  },
});
