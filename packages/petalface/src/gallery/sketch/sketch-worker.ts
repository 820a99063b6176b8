import { parentPort, workerData } from "node:worker_threads";
import { answerTasks } from "../../thread.ts";
import { type NearRows, openScan, type ScanPlace, type SketchRequest } from "./scan.ts";

if (parentPort !== null) answerTasks<SketchRequest, NearRows>(parentPort, openScan(workerData as ScanPlace));
