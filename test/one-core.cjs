// Every process of the tests loads this first (vitest.config.ts). Code that asks for the number of
// cores, to start as many threads, gets one. Several test files run at a time, and the threads of
// an engine wait busily for each other: two threads each take about a quarter more processor time,
// and the tests end later. Tests of threads state their number.
const { syncBuiltinESMExports } = require("node:module");
const os = require("node:os");

os.availableParallelism = () => 1;
syncBuiltinESMExports();
