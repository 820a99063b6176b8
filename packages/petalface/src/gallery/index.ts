export { galleryIn, shownGallery } from "./address.ts";
export type { Candidate } from "./candidate.ts";
export { withChanges } from "./changes.ts";
export { countDecisions, type Decision, type DecisionCounts, type DecisionRules, decide } from "./decide.ts";
export {
  type DescribeOptions,
  type Describer,
  describeFaces,
  type FaceDescription,
  openDescriber,
} from "./describe.ts";
export { migratePart } from "./embed-again.ts";
export { type Enrolment, type EnrolOptions, enrolPeople, type Refusal } from "./enrol.ts";
export { type Enrolled, type EnrollingStore, openEnrolled, openEnrolledBy, type PicturePlace } from "./enrolled.ts";
export { openExactSearcher } from "./exact.ts";
export { openForeign } from "./foreign/open.ts";
export type { ForeignFace, ForeignFaces } from "./foreign/types.ts";
export { type GateReason, type GateRules, gateDefaults } from "./gate.ts";
export { openIndexedSearcher } from "./indexed.ts";
export { type MigrateOptions, type MigrationReport, migrateGallery } from "./migrate.ts";
export { createGallery, dropGallery, openGallery } from "./open.ts";
export type { PairedRanks } from "./paired.ts";
export { type EmbeddingRecord, type EmbeddingSpace, isSameModel, type ModelSource } from "./record.ts";
export { vectorsWriter } from "./rows.ts";
export {
  type GallerySearcher,
  openSearcher,
  type PersonSearcher,
  type Probes,
  type Searcher,
} from "./search.ts";
export { openGallerySearcher, openSearcherOfNext } from "./searcher.ts";
export { multiplyHadamard } from "./sketch/project.ts";
export { embeddingRecord, keepsSharp, refuseOtherSpace } from "./space.ts";
export type { AuditEntry, GalleryStore, Removal, ServedStore } from "./store.ts";
export { buildTemplates, defaultTemplateRule, type TemplateRule, type Templates, templateRules } from "./templates.ts";
export { openServedStore } from "./threads/store.ts";
export {
  type ChosenThresholds,
  estimateThresholds,
  parseThresholds,
  refuseOtherThresholds,
  type ShownThresholds,
  shownThresholds,
  singleThreshold,
  thresholdAt,
} from "./thresholds.ts";
export { joinTrack, type Track } from "./track.ts";
export { exportGallery, importGallery } from "./transfer.ts";
export type {
  BegunMigration,
  ChosenFaces,
  CodedRows,
  EnrolledFace,
  EnrolledVectors,
  FaceCodes,
  FaceEmbedding,
  FacesOfPerson,
  GallerySettings,
  MeasuredRates,
  MeasuredThresholds,
  MigratingFace,
  Migration,
  NewFace,
  PartSettings,
  Person,
  ThresholdRow,
  ThresholdTable,
  WholeFace,
} from "./types.ts";
