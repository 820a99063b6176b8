export { makeKey, readKeys, type Scope, type StoredKey, scopes, writeKeys } from "./keys/file.ts";
export { defaultLimits, type Limits } from "./limits.ts";
export { type RunningServer, type ServerOptions, startServer } from "./start.ts";
