import { stepBenchmark } from "../step/benchmark.ts";

export default stepBenchmark("embed");
