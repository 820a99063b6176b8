import { stepBenchmark } from "./benchmark.ts";

export default stepBenchmark("step");
