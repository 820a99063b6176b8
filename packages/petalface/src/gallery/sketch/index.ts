export { type NewSketches, newSketches, openSketches } from "./file.ts";
export type { NearestPeople } from "./searcher.ts";
