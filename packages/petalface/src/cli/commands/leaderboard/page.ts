import type { LeaderboardEntry, LeaderboardTable } from "../../../api/evaluate/leaderboard.ts";
import { type Measure, percent, verdictWords } from "../../../evaluation/index.ts";
import { formatMeasures, pCell, signed } from "../../formats.ts";
import { adaptArguments } from "./arguments.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/[\r\n]+/g, " ");

const withInterval = ({ value, low, high }: Measure): string =>
  `${percent(value)} (${percent(low)} to ${percent(high)})`;

/** How a method differs from the first, in points. */
function behind({ behind: difference }: LeaderboardEntry): string {
  if (difference === undefined) return "- | -";
  const words = verdictWords(difference).replace("no significant difference", "not significant");
  const { value, low, high, corrected } = difference;
  return `${signed(value)} (${signed(low)} to ${signed(high)}) | ${words}, p ${pCell(corrected).replace(/^(?=\d)/, "= ")}`;
}

const trainedOn = ({ run, frozen }: LeaderboardEntry): string =>
  frozen || run === undefined
    ? "-"
    : `${run.record.data.images.toLocaleString("en")} faces of ${run.record.data.people.toLocaleString("en")} people`;

/** A word of a command line as a shell needs it. */
const quoted = (word: string): string => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

const command = (args: readonly string[]): string => ["petalface", ...args].map(quoted).join(" ");

function evaluateArguments({ run, result, frozen }: LeaderboardEntry): string[] {
  const { made, data, degradations, copies, protocol } = result;
  return [
    "evaluate",
    ...(run === undefined ? [] : ["--model", run.record.model.given]),
    ...(run === undefined || frozen ? [] : ["--adapter", run.folder]),
    ...["--protocol", made?.protocol ?? protocol.name, "--data", data.spec],
    ...(degradations.length === 0 ? ["none"] : degradations).flatMap((spec) => ["--degrade", spec]),
    ...(copies === undefined
      ? []
      : ["--gallery-copies", copies.sizes.join(","), "--copy-weight", String(copies.weight)]),
  ];
}

/** How a method was made: the model, the versions, and the commands that make it again. */
function origin(entry: LeaderboardEntry): string[] {
  const { name, run, frozen, result, runs } = entry;
  const made = result.made;
  const by = (what: string, version: string | undefined, commit: string | undefined): string =>
    `- ${what} by petalface ${version ?? "(version unknown)"}${commit === undefined ? "" : `, commit ${commit}`}.`;
  const commands = [
    ...(run === undefined || frozen ? [] : [command(adaptArguments(run.record, run.folder))]),
    command(evaluateArguments(entry)),
  ];
  return [
    `### ${name}`,
    "",
    ...(run === undefined
      ? ["- The result is not from a run, so its training is unknown."]
      : [`- Model ${run.record.model.name}, SHA-256 ${run.record.model.sha256}.`]),
    ...(run === undefined || frozen
      ? []
      : [
          `- Faces: ${run.record.data.spec}, fingerprint ${run.record.data.fingerprint}.`,
          by("Trained", run.record.versions.petalface, run.record.commit),
        ]),
    by("Measured", made?.petalface, made?.commit),
    ...(runs.length > 1
      ? [`- The mean of ${runs.length} runs that differ in their seed alone; the first is shown.`]
      : []),
    "",
    "```sh",
    ...commands,
    "```",
    "",
  ];
}

function section({ protocol, data, measure, entries }: LeaderboardTable): string[] {
  const [first] = entries;
  if (first === undefined) return [];
  const { people, images, genuine, impostor, gallery, probes, fingerprint } = first.result.protocol;
  const rows = entries.map(
    (entry, at) =>
      `| ${at + 1} | ${cell(entry.name)} | ${withInterval(entry.value)} | ${behind(entry)} | ${trainedOn(entry)} |`,
  );
  const results = entries.map(({ name, result }) => ({ name, result }));
  return [
    `## ${cell(protocol)}`,
    "",
    `Faces: ${data}. ${images.toLocaleString("en")} images of ${people.toLocaleString("en")} people, ` +
      `${genuine.toLocaleString("en")} genuine and ${impostor.toLocaleString("en")} impostor pairs, ` +
      `${probes.toLocaleString("en")} probes in a gallery of ${gallery.toLocaleString("en")}. ` +
      `Fingerprint ${fingerprint.slice(0, 16)}.`,
    "",
    `| place | method | ${cell(measure)}, % (95 %) | against the first, points (95 %) | verdict | trained on |`,
    "| ---: | --- | --- | --- | --- | --- |",
    ...rows,
    "",
    "All measures, per cent, ± half the 95 % interval:",
    "",
    formatMeasures("md", results),
    "",
    ...entries.flatMap(origin),
  ];
}

/** A leaderboard as a page of Markdown. */
export function leaderboardPage(tables: readonly LeaderboardTable[]): string {
  const lines = [
    "# Leaderboard",
    "",
    "Made by `petalface leaderboard` from evaluated runs. Intervals are of a bootstrap over people. Each method is",
    "compared with the first one on the same resamples; p values are corrected for all rows of a table (Holm). A",
    "place above a row that is not significantly worse says nothing.",
    "",
    ...tables.flatMap(section),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}
