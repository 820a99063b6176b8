import { readFile, stat } from "node:fs/promises";
import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import { refusePlaceholder } from "../../placeholder.ts";
import { type QualityTensor, type QualityWeights, qualityWeights } from "../weights.ts";

const largest = 64 * 2 ** 20;
const features = 36;

async function readText(path: string): Promise<string> {
  const entry = await stat(path).catch(() => undefined);
  if (entry === undefined)
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `there is no ${path}; \`petalface models\` says where to get the weights of quality measures`,
    );
  if (!entry.isFile() || entry.size > largest)
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `${path}: no file that OpenCV wrote a BRISQUE model into; it has some 0.5 MB`,
    );
  const text = await readFile(path, "utf8");
  refusePlaceholder(text, path);
  return text;
}

/** The numbers between the brackets after `key:`, each list for itself. */
function lists(text: string, key: string, from = 0): number[][] {
  const start = text.indexOf(`${key}:`, from);
  if (start < 0) return [];
  const found: number[][] = [];
  // A list belongs to the key while nothing but white space, dashes and commas is between it and
  // the one before.
  const list = /[\s,-]*\[([^\][]*)\]/y;
  list.lastIndex = start + key.length + 1;
  for (let match = list.exec(text); match !== null; match = list.exec(text))
    found.push((match[1] ?? "").split(",").map((word) => (word.trim() === "" ? Number.NaN : Number(word))));
  return found;
}

const number = (text: string, key: string): number =>
  Number(new RegExp(`\\b${key}:\\s*([-+\\d.eE]+)`).exec(text)?.[1] ?? Number.NaN);

/**
 * Reads OpenCV's BRISQUE model from the two files of its quality module, as `cv::FileStorage`
 * writes YAML: `brisque_model_live.yml` (a support vector regression with a Gaussian kernel) and
 * `brisque_range_live.yml` (least and largest value of the 36 features).
 *
 * @throws PetalfaceError where a file is missing, cut short or something else
 */
export async function readBrisqueWeights(model: string, range: string): Promise<QualityWeights> {
  const text = await readText(model);
  const fail = (path: string, what: string): never => {
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `${path}: ${what}; give the file of OpenCV's quality module, unchanged`,
    );
  };
  if (!text.includes("opencv_ml_svm:")) fail(model, "holds no support vector machine of OpenCV");
  if (!/svmType:\s*(?:EPS|NU)_SVR/.test(text) || !/type:\s*RBF/.test(text))
    fail(model, "is not a regression with a Gaussian (RBF) kernel");
  const [count, gamma, rho] = [number(text, "sv_total"), number(text, "gamma"), number(text, "rho")];
  const support = lists(text, "support_vectors");
  const [alpha = []] = lists(text, "alpha");
  if (![count, gamma, rho].every(Number.isFinite)) fail(model, "lacks sv_total, gamma or rho");
  if (support.length !== count || alpha.length !== count)
    fail(model, `holds ${support.length} support vectors and ${alpha.length} factors, not ${count}: cut short?`);
  if (!support.every((vector) => vector.length === features))
    fail(model, `its vectors are not of ${features} features`);
  const [limits = []] = lists(await readText(range), "data");
  if (limits.length !== 2 * features) fail(range, `holds ${limits.length} limits, not ${2 * features}`);
  if (limits.some((low, i) => i < features && !(low < itemAt(limits, i + features))))
    fail(range, "has a least value that is not below the largest");
  const all = [...support.flat(), ...alpha, ...limits];
  if (!all.every(Number.isFinite)) fail(model, "holds something that is not a number");
  const tensor = (values: readonly number[], ...dims: number[]): QualityTensor => ({
    dims,
    data: Float32Array.from(values),
  });
  return qualityWeights(
    new Map([
      ["support", tensor(support.flat(), count, features)],
      ["alpha", tensor(alpha, count)],
      ["minimum", tensor(limits.slice(0, features), features)],
      ["maximum", tensor(limits.slice(features), features)],
      ["kernel", tensor([gamma, rho], 2)],
    ]),
  );
}
