/** Loaded before a program that is measured: leaves its usage in a file when it ends. */
import { writeFileSync } from "node:fs";
import { usage } from "./measured.ts";

process.on("exit", () => writeFileSync(process.env.BENCH_USAGE ?? "", JSON.stringify(usage())));
