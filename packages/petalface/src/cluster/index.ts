export { createGalleryAt, type MadeGallery, type NewGallery } from "./gallery/create.ts";
export { type EnrolOptions, enrolGiven, type GivenEnrolment, refuseOtherAdapter } from "./gallery/enrol.ts";
export { type ForeignImport, type ForeignOptions, importForeign } from "./gallery/import-foreign.ts";
export { type GalleryPlace, openGalleryAt } from "./gallery/place.ts";
export { type SearchAnswer, type SearchOptions, type SearchReport, searchGallery } from "./gallery/search.ts";
export { type MpiRanks, openRanks } from "./mpi/ranks.ts";
export {
  type GalleryPart,
  type MergedSearch,
  type MissingPart,
  type NamedCandidate,
  partOfPerson,
  searchParts,
  type WhenDown,
} from "./search/merge.ts";
export { createGalleryParts, type GalleryParts, type OpenPart, openGalleryParts } from "./search/parts.ts";
export { openPartsSearcher, type PartsSearcher, type PartsSearchOptions, wholeAnswers } from "./search/searcher.ts";
export {
  type Claim,
  claim,
  finish,
  type Job,
  type JobStatus,
  mostAttempts,
  removeJob,
  retryAside,
  statusOf,
  submit,
  takeContents,
} from "./work/queue.ts";
export { type WorkSummary, work } from "./work/run.ts";
export { openServers, type QueueServer } from "./work/server.ts";
export { type Submission, submitJob } from "./work/submit.ts";
export { type JobWork, jobKinds } from "./work/types.ts";
