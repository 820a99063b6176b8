import type { PreprocessingFindings } from "../../../../audit/index.ts";
import { plainTable } from "../../../table.ts";

/** The verdict in a line or two, then a table of what was tried. */
export function printPreprocessing(findings: PreprocessingFindings): string[] {
  const { verdict, instead, candidates, faces, people, same, tellsChannels } = findings;
  const assumed = candidates.find((candidate) => candidate.assumed);
  const [best] = candidates;
  if (best === undefined || assumed === undefined) return ["preprocessing: no faces to try it on"];
  const flags = (one: typeof best): string => `--normalize ${one.normalize} --channels ${one.channels}`;
  const of = `${faces} ${same === "people" ? "faces" : "pictures"} of ${people} people`;
  const distance = (one: typeof best): string => one.distance.toFixed(2);
  const order = assumed.channels.toUpperCase();
  const heads: Record<typeof verdict, string[]> = {
    right: [
      `preprocessing: RIGHT. ${flags(assumed)}: none of ${candidates.length} preprocessings separates people clearly better (${of})`,
      ...(tellsChannels
        ? []
        : [`these faces do not show whether ${order} is right: the model hardly depends on colour`]),
    ],
    wrong: [
      `preprocessing: WRONG. Give ${flags(instead ?? best)}`,
      `it separates people better than ${flags(assumed)}: D' ${distance(instead ?? best)} against ${distance(assumed)} (${of})`,
      "every command with this model needs these options; train adapters again that were trained without them",
    ],
    unsure: [`preprocessing: UNSURE. ${of} are not enough; give aligned faces of at least a dozen people, two of each`],
  };
  const rows = candidates.map((one) => [
    one.normalize,
    one.channels,
    one.samePerson.toFixed(3),
    one.others.toFixed(3),
    distance(one),
    one.assumed ? "now" : "",
  ]);
  const pairs =
    same === "people"
      ? "SAME, OTHERS: mean cosine of two faces of one person, and of two people"
      : "SAME: mean cosine of a face with its copies, mirrored and smaller, because no person has two faces here; OTHERS: of two faces";
  return [
    ...heads[verdict],
    "",
    plainTable([["NORMALIZE", "CHANNELS", "SAME", "OTHERS", "D'", ""], ...rows], [2, 3, 4]),
    `${pairs}; D': their distance in units of their spread`,
    "",
  ];
}
