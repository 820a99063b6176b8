export {
  encodeSafetensors,
  locateSafetensorsHeader,
  type PlannedTensor,
  parseSafetensors,
  parseSafetensorsHeader,
  type Safetensors,
  type StoredTensor,
  safetensorsHead,
  toFloat32,
} from "./safetensors.ts";
