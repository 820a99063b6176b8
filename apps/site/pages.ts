import { readdirSync, readFileSync } from "node:fs";
import type { DefaultTheme } from "vitepress";

/** What of the repository is no page of the site. */
export const excluded = [
  "{node_modules,apps,scripts,test,runs,packed,.github,.ci}/**",
  "**/{node_modules,dist}/**",
  "packages/petalface/**",
  "packages/onnx-grad/*/**",
  "bench/!(results)/**",
];

const item = (text: string, link: string): DefaultTheme.SidebarItem => ({ text, link });

const results = new URL("../../bench/results/", import.meta.url);

/** What benchmarks printed, by the titles of the pages; pages of one title also have their name. */
function measurements(): DefaultTheme.SidebarItem[] {
  const pages = readdirSync(results)
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => {
      const title = /^# (.+)$/m.exec(readFileSync(new URL(file, results), "utf8"))?.[1] ?? file;
      return { title, name: file.slice(0, -".md".length) };
    });
  return pages.map(({ title, name }) => {
    const same = pages.filter((page) => page.title === title).length > 1;
    return item(same ? `${title}: ${name}` : title, `/bench/results/${name}`);
  });
}

/** The pages in the order in which they are listed; a test finds pages that are missing here. */
export const sidebar: DefaultTheme.SidebarItem[] = [
  {
    text: "Start",
    items: [
      item("Start", "/docs/start"),
      item("Install", "/docs/install"),
      item("How it works", "/docs/concepts"),
      item("Try a resolution", "/docs/try"),
    ],
  },
  {
    text: "Guides",
    items: [
      item("Data", "/docs/data"),
      item("Check a set of faces", "/docs/inspect-data"),
      item("Align photos", "/docs/align"),
      item("Train", "/docs/training"),
      item("Degradations", "/docs/degradation"),
      item("Quality and alpha", "/docs/quality"),
      item("Evaluate", "/docs/evaluation"),
      item("Enrol with copies", "/docs/copies"),
      item("Galleries", "/docs/gallery"),
      item("Many machines", "/docs/many-machines"),
      item("100 million faces", "/docs/hundred-million"),
      item("Watch a camera", "/docs/watch"),
      item("In the browser", "/docs/studio"),
      item("CPU, GPU, browser", "/docs/providers"),
      item("Troubleshooting", "/docs/troubleshooting"),
    ],
  },
  {
    text: "Deploy",
    items: [
      item("Into other products", "/docs/deploy/README"),
      item("Serve", "/docs/serve"),
      item("Containers", "/docs/container"),
      item("Frigate", "/docs/deploy/frigate"),
      item("Immich", "/docs/deploy/immich"),
      item("insightface", "/docs/deploy/insightface"),
      item("DeepFace", "/docs/deploy/deepface"),
      item("Camera crops, OpenCV", "/docs/deploy/cctv-opencv"),
      item("InsightFace-REST", "/docs/deploy/insightface-rest"),
      item("Triton, DeepStream", "/docs/deploy/triton-deepstream"),
      item("CompreFace", "/docs/deploy/compreface"),
    ],
  },
  {
    text: "Reference",
    items: [
      item("Commands", "/docs/reference/commands"),
      item("Options of training", "/docs/options"),
      item("Error codes", "/docs/errors"),
      item("The library", "/docs/library"),
      {
        ...item("Functions and types", "/docs/reference/api/README"),
        collapsed: true,
        items: [
          item("petalface", "/docs/reference/api/petalface/README"),
          item("onnx-grad", "/docs/reference/api/onnx-grad/README"),
        ],
      },
      item("Protocols", "/docs/protocols"),
      item("Networks", "/docs/networks"),
      item("onnx-grad", "/packages/onnx-grad/README"),
      item("Operators of onnx-grad", "/packages/onnx-grad/OPERATORS"),
      item("Files", "/docs/files"),
      item("Features", "/FEATURES"),
      item("Changes", "/CHANGELOG"),
      item("Versions and promises", "/docs/versions"),
    ],
  },
  {
    text: "Method and results",
    items: [
      item("The method", "/docs/method"),
      item("Results", "/docs/results"),
      item("Leaderboard", "/docs/leaderboard"),
      item("Speed", "/docs/speed"),
      item("Compared with other tools", "/docs/comparison"),
    ],
  },
  { text: "All measurements", collapsed: true, items: measurements() },
  {
    text: "Trust",
    items: [
      item("Privacy", "/docs/privacy"),
      item("Threat model", "/docs/threats"),
      item("Security", "/SECURITY"),
      item("Contributing", "/CONTRIBUTING"),
      item("Architecture", "/ARCHITECTURE"),
    ],
  },
];
