export { toFloat32 } from "./floats.ts";
export {
  locateSafetensorsHeader,
  type PlannedTensor,
  parseSafetensorsHeader,
  safetensorsHead,
} from "./header.ts";
export { encodeSafetensors, parseSafetensors } from "./safetensors.ts";
export type { Safetensors, StoredTensor } from "./types.ts";
