export { type Audit, type AuditOptions, auditFaces } from "./audit.ts";
export type { CopyGroup } from "./groups.ts";
export type { Levels, Outlier, SharedPerson } from "./people.ts";
export { pictureSize } from "./pictures.ts";
export {
  comparePreprocessing,
  type PreprocessingCandidate,
  type PreprocessingFindings,
} from "./preprocessing.ts";
