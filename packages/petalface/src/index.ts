export * from "./adapters/index.ts";
export * from "./audit/index.ts";
export * from "./backbones/index.ts";
export {
  bufferNames,
  type Checkpoint,
  type CheckpointTensor,
  type ConversionOptions,
  type ConvertedFile,
  type ConvertedTensor,
  type Dtype,
  type FamilyHint,
  familiesOf,
  mapNames,
  type NameMap,
  type NameRules,
  openCheckpoint,
  type PickleArray,
  type PickleMap,
  type PickleObject,
  type PickleValue,
  type Plain,
  readTensor,
  requireComplete,
  type Storage,
  streamTensor,
  type TensorGroup,
  type Unpickled,
  unpickle,
  type WrongShape,
  writeFloat32,
  writeTorchCheckpoint,
} from "./checkpoints/index.ts";
export * from "./data/index.ts";
export * from "./deploy/index.ts";
export * from "./embeddings/index.ts";
export { PetalfaceError } from "./errors.ts";
export * from "./evaluation/index.ts";
export * from "./faces/index.ts";
export * from "./gallery/index.ts";
export * from "./images/index.ts";
export * from "./matching/index.ts";
export * from "./models/index.ts";
export * from "./quality/index.ts";
export * from "./runtime/index.ts";
export * from "./training/index.ts";
