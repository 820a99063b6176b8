import { type ChildProcess, execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ended, petalface, start } from "../cli/process.ts";
import { drawnFace, makeGallery } from "./server.ts";
import { exited } from "./server-process.ts";

const page = new URL("../../../../docs/serve.md", import.meta.url);
const run = promisify(execFile);
const hasCurl = await run("curl", ["--version"]).then(
  () => true,
  () => false,
);
let folder: string;
const servers: ChildProcess[] = [];

beforeAll(async () => {
  ({ folder } = await makeGallery());
  await rm(join(folder, "people.db"));
  for (const [name, person, image] of [
    ["ada1", 1, 0],
    ["ada2", 1, 1],
    ["bo1", 2, 0],
  ] as const)
    await writeFile(join(folder, `${name}.png`), await drawnFace(person, image));
});
afterAll(async () => {
  for (const server of servers.filter(({ exitCode }) => exitCode === null)) {
    const gone = exited(server);
    server.kill("SIGTERM");
    await gone;
  }
  await rm(folder, { recursive: true, force: true });
});

/** Words of a command line; quotes hold words together. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");

test.skipIf(!hasCurl)(
  `every command of docs/serve.md works, in its order${hasCurl ? "" : " (skipped: needs curl)"}`,
  async () => {
    const text = await readFile(page, "utf8");
    const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
    const lines = blocks.flatMap((block) => block.trim().split("\n"));
    expect(lines.length).toBeGreaterThan(6);
    const addresses: string[] = [];
    let last = "";
    for (const line of lines) {
      const words = wordsOf(line.replaceAll("fr_feature", "tiny.onnx"));
      if (words[0] === "curl") {
        // The server of the test has a free port.
        const args = words.slice(1).map((word) => word.replace("http://localhost:8787", addresses[0] ?? ""));
        last = (await run("curl", ["--silent", "--show-error", "--fail-with-body", ...args], { cwd: folder })).stdout;
      } else if (words[1] === "serve") {
        // A tiny network stands in for the real one; no detector is fetched.
        const args = words.slice(1).filter((_, at, all) => all[at] !== "--port" && all[at - 1] !== "--port");
        const gate = ["--detector", "none", "--port", "0", "--min-alpha", "0", "--min-side", "1"];
        const child = start([...args, ...gate], { cwd: folder });
        servers.push(child);
        addresses.push(
          await new Promise((resolve, reject) => {
            child.stdout?.on("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
            void ended(child).then(({ stderr }) => reject(new Error(stderr)));
          }),
        );
      } else {
        const { code, stdout, stderr } = await petalface(words.slice(1), { cwd: folder });
        expect(code, `${line}\n${stderr}`).toBe(0);
        expect(stdout).not.toBe("");
      }
    }
    expect(addresses).toHaveLength(2);
    expect(JSON.parse(last)).toMatchObject({ gallery: "people", enrolled: 2, photos: [{ photo: "ada2.png" }] });
    expect(JSON.parse(last).photos[0].candidates[0].person).toBe("Ada");
    expect((await fetch(`${addresses[1]}/v1/galleries`)).status).toBe(401);
  },
);
