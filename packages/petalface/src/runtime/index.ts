export { engineForm } from "./engine.ts";
export { type FileSession, openModelFile, type Port } from "./file.ts";
export { loadOnnxruntime, prepareThreads, telemetryWanted } from "./onnxruntime.ts";
export { type Placement, placementOf } from "./placement.ts";
export { type Probe, probeProvider } from "./probe.ts";
export { instructionSets, instructionSetsIn, signedBytesOverflow } from "./processor.ts";
export { floatsOf, openSession } from "./session.ts";
export { type EngineKeeper, type Provider, providerNames, type Session, type SessionOptions } from "./types.ts";
