export { type MpiRanks, openRanks } from "./mpi/ranks.ts";
