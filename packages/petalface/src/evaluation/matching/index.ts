export { type Identification, type IdentificationTask, identify } from "./identify.ts";
export { type Matcher, openMatcher } from "./matcher.ts";
export { type MatrixRates, type MatrixTask, matrixTar } from "./matrix.ts";
export { cmc, type OpenSetOptions, type OpenSetPoint, openSet } from "./open-set.ts";
export { scorePairs } from "./pairs.ts";
export { type OperatingPoint, type Roc, rocCurve, tarAtFar } from "./rates.ts";
export { type RowSource, rowsOf, type WorkOptions } from "./rows.ts";
export { poolTemplates, type TemplateMembers } from "./templates.ts";
export type { TopK } from "./top-k.ts";
