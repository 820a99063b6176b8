export { type AdaptedBuild, type BuildOptions, buildAdapted } from "./build.ts";
export { type Adapter, type AdapterConfig, type Method, methodNames } from "./config.ts";
export { type ExportAlpha, exportedGraph, exportModel } from "./export.ts";
export { closesOnSharp, type Gate, gateNames, gateParts, gateWeights } from "./gate.ts";
export { initialTheta, type Layout, layoutOf, type Slot } from "./layout.ts";
export { mergeAdapter } from "./merge.ts";
export { adaptedModel, alphaOutput } from "./model.ts";
export { findSites, type Site, selectSites, type UnfitLayer } from "./sites.ts";
export { loadAdapter, saveAdapter } from "./store.ts";
