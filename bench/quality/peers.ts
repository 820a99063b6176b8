import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { shared } from "../skeleton/shared.ts";

/** What another project's measure does on one thread. */
export interface Peer {
  readonly name: string;
  /** Faces a second of processor time. */
  readonly rate: number;
}

const run = (python: string, program: string, args: readonly string[], path = ""): string =>
  execFileSync(python, ["-c", program, ...args], {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: path, OMP_NUM_THREADS: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });

const parse = (text: string): Peer[] =>
  text
    .trim()
    .split("\n")
    .filter((line) => line.includes("\t"))
    .map((line) => {
      const [name = "", rate = ""] = line.split("\t");
      return { name, rate: Number(rate) };
    });

/** OpenCV's BRISQUE, one face at a time as it takes them. `python` has opencv-contrib. */
export function opencvPeers(python: string, files: readonly string[], rounds: number): Peer[] {
  const program = `
import cv2, sys, time
cv2.setNumThreads(1)
model, ranges, *files = sys.argv[1:]
images = [cv2.imread(file) for file in files]
judge = cv2.quality.QualityBRISQUE_create(model, ranges)
def rate():
    begin = time.process_time()
    for image in images: judge.compute(image)
    return len(images) / (time.process_time() - begin)
rate()
print(f"OpenCV {cv2.__version__}, BRISQUE\\t{max(rate() for _ in range(${rounds}))}")`;
  const weights = ["brisque_model_live.yml", "brisque_range_live.yml"].map((name) => join(shared, "weights", name));
  return parse(run(python, program, [...weights, ...files]));
}

/** What pyiqa's two measures import; not its other dependencies, which train and download. */
const packages = ["pyiqa", "opencv-python-headless", "requests", "urllib3", "certifi", "scipy"];

/**
 * pyiqa's BRISQUE and CNNIQA, batches of 32 in memory. `python` has torch; pyiqa goes into a folder
 * that is thrown away. Both with drawn weights of the published sizes (774 support vectors, as
 * piq's file has): their own are fetched from sites beyond package registries, and numbers do not
 * change the time.
 */
export function pyiqaPeers(python: string, files: readonly string[], rounds: number): Peer[] {
  const folder = mkdtempSync(join(tmpdir(), "petalface-pyiqa-"));
  try {
    execFileSync(python, ["-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, ...packages], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const program = `
import importlib.metadata, sys, time
import cv2, numpy as np, torch
from pyiqa.archs.brisque_arch import brisque
from pyiqa.archs.cnniqa_arch import CNNIQA
torch.set_num_threads(1)
torch.manual_seed(1)
images = np.stack([cv2.imread(file)[:, :, ::-1] for file in sys.argv[1:]])
images = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).float() / 255
vectors, factors = torch.rand(774, 36) * 2 - 1, torch.randn(774, 1)
network = CNNIQA(pretrained=None).eval()
judges = {"BRISQUE": lambda x: brisque(x, sv_coef=factors, sv=vectors), "CNNIQA (one patch, the whole face in colour)": network}
version = importlib.metadata.version("pyiqa")
with torch.inference_mode():
    for name, judge in judges.items():
        def rate():
            begin = time.process_time()
            for start in range(0, len(images), 32): judge(images[start:start + 32])
            return len(images) / (time.process_time() - begin)
        rate()
        print(f"pyiqa {version}, torch {torch.__version__}, {name}\\t{max(rate() for _ in range(${rounds}))}")`;
    return parse(run(python, program, files, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
