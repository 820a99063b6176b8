import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { heldOutFolds, testFolds } from "../faces/plan.ts";
import { trainJob } from "../faces/run.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { openDescribing } from "./describe.ts";
import { peopleOf, peopleOfNoFold, writeTrainingFaces } from "./faces.ts";
import { openSetTables } from "./open-set.ts";
import { rateTable } from "./rates.ts";
import { templateTable } from "./templates.ts";
import { trackTable } from "./tracks.ts";
import { findTwice } from "./twice.ts";

export default defineBenchmark({
  name: "decisions",
  pages: ["decisions", "decisions-fold6", "decisions-rates"],
  title: "Decisions of galleries",
  measures: "Open-set searches by quality, tracks of several frames, and templates of several photos, on LFW.",
  minutes: 10,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    model: { help: "a name among the shared weights", default: "mobilefacenet" },
    adapter: { help: "a run of `petalface adapt` on none of these people; trained unless given", default: "" },
    images: { help: "training images seen", default: 4800 },
    folds: { help: "folds of LFW whose people are enrolled; 6 to 10 are for choices", default: [...testFolds] },
    frozen: { help: "the frozen model alone", default: false },
    parts: { help: "strangers, rates, tracks, templates", default: ["strangers", "tracks", "templates"] },
    strangers: { help: "people who are searched for and not enrolled, at most", default: 6000 },
    draws: { help: "searches of a person at each resolution", default: 3 },
    judge: { help: "model that finds strangers who are enrolled under another name", default: "fr_feature" },
    copies: { help: "sides of the low-resolution copies that are enrolled", default: [16, 12] },
  },
  async run(
    { model, adapter, images, folds, frozen, parts: wanted, strangers: count, draws, judge, copies },
    { work },
  ) {
    const people = await peopleOf(folds);
    // Choices are made without the people that results are measured on.
    const others = testFolds.some((fold) => folds.includes(fold))
      ? heldOutFolds.filter((fold) => !folds.includes(fold))
      : [];
    const strangers = [...(await peopleOfNoFold()), ...(await peopleOf(others))].slice(0, count);
    const findAll = async () => {
      await using describing = await openDescribing(judge, undefined, join(work, judge, "embedded", "frozen"));
      return await findTwice(describing, people, strangers);
    };
    const { level, found } = wanted.includes("strangers") ? await findAll() : { level: 1, found: [] };
    const twice = new Set(found.map(({ stranger }) => stranger));
    const adapterOf = async (): Promise<string> => {
      if (adapter !== "") return adapter;
      const folder = join(work, model, `petal-${images}`);
      if (existsSync(join(folder, "run", "adapter", "adapter_model.safetensors"))) return join(folder, "run");
      await mkdir(folder, { recursive: true });
      const train = join(folder, "train.jsonl");
      await writeTrainingFaces(train, heldOutFolds);
      const contender = { name: "petal", options: { preset: "petal" as const }, train };
      await trainJob({ contender, model, seed: 0, images, folds, threads: 2, folder });
      return join(folder, "run");
    };
    const kinds = [
      { name: "frozen", adapter: undefined },
      ...(frozen ? [] : [{ name: "adapted", adapter: await adapterOf() }]),
    ];
    const parts: string[] = [];
    for (const kind of kinds) {
      await using describing = await openDescribing(model, kind.adapter, join(work, model, "embedded", kind.name));
      parts.push(`## ${model}, ${kind.name}`);
      if (wanted.includes("strangers"))
        parts.push(`### Strangers\n\n${await openSetTables(describing, { people, strangers, twice, draws, copies })}`);
      if (wanted.includes("rates"))
        parts.push(`### False-accept rates\n\n${await rateTable(describing, people, strangers, copies)}`);
      if (wanted.includes("tracks")) parts.push(`### Tracks\n\n${await trackTable(describing, people, copies)}`);
      if (wanted.includes("templates"))
        parts.push(`### Templates\n\n${await templateTable(describing, people, copies)}`);
      console.error(`${kind.name}: done`);
    }
    const trained = frozen
      ? ""
      : adapter === ""
        ? `The adapter is petal with its defaults, trained on ${images} images of the people of folds 7 to 10.`
        : "The adapter was given with `--adapter`.";
    for (const each of found) console.error(`${each.stranger} is ${each.enrolled} (${each.cosine.toFixed(2)})`);
    const searched = wanted.includes("strangers")
      ? `Each person is searched for ${draws} times at each resolution: with different photos where there are, drawn differently.
The bootstrap counts people. LFW has people under two names: ${found.length} strangers are enrolled, by a cosine of at least
${level.toFixed(2)} of the model ${judge}. The run prints their names. They are left out but where it says so.`
      : "";
    return {
      body: `Gallery: ${people.length} people of LFW's folds ${folds.join(", ")}, their first photo each. Mates: other photos of those who have
any. Strangers: ${strangers.length} people, all who are in the pairs of no fold${others.length === 0 ? "" : ` or of folds ${others.join(", ")}`}. No adapter was trained on any of them.
${searched} Enrolled with copies of
${copies.join(" and ")} px, weight 1 - alpha of the searched face. Values in per cent, with 95 % intervals of a bootstrap over
people; thresholds are set again in each resample. ${trained}

${parts.join("\n\n")}`,
    };
  },
});
