export { type AdaptedRun, type AdaptOptions, adapt, type ResumeOptions, resume } from "./adapt.ts";
export { type Audited, type AuditOptions, audit } from "./audit.ts";
export { type Compared, type CompareOptions, compare } from "./compare.ts";
export type { EnrolledCopies } from "./copies.ts";
export type { Faces } from "./data.ts";
export { type Embedded, type EmbedOptions, embed } from "./embed.ts";
export { type EmbeddedFile, type EmbedToFileOptions, embedToFile } from "./embed-file.ts";
export { type EvaluateOptions, evaluate } from "./evaluate.ts";
export { exportModel } from "./export.ts";
export type { ExportedFile, ExportOptions } from "./export-types.ts";
export type { Findings, NamedFace, NamedGroup, NamedOutlier } from "./findings.ts";
export {
  type LeaderboardEntry,
  type LeaderboardOptions,
  type LeaderboardTable,
  leaderboard,
} from "./leaderboard.ts";
export { type Engine, type GivenModel, type Model, type ModelOptions, openModel } from "./model.ts";
export type { CallOptions, ProgressEvent } from "./surroundings.ts";
