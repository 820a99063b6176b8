export { type AdaptedRun, type AdaptOptions, adapt, type ResumeOptions, resume } from "./adapt/adapt.ts";
export type { EnrolledCopies } from "./copies.ts";
export type { Faces } from "./data.ts";
export { type Embedded, type EmbedOptions, embed } from "./embed/embed.ts";
export { type EmbeddedFile, type EmbedToFileOptions, embedToFile } from "./embed/to-file.ts";
export { type Compared, type CompareOptions, compare } from "./evaluate/compare.ts";
export { type EvaluateOptions, evaluate } from "./evaluate/evaluate.ts";
export {
  type LeaderboardEntry,
  type LeaderboardOptions,
  type LeaderboardTable,
  leaderboard,
} from "./evaluate/leaderboard.ts";
export { exportModel } from "./export/export.ts";
export type { ExportedFile, ExportOptions } from "./export/types.ts";
export { type Audited, type AuditOptions, audit } from "./inspect/audit.ts";
export type { Findings, NamedFace, NamedGroup, NamedOutlier } from "./inspect/findings.ts";
export { type Engine, type GivenModel, type Model, type ModelOptions, openModel } from "./model.ts";
export type { CallOptions, ProgressEvent } from "./surroundings.ts";
