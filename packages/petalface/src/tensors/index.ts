export {
  encodeSafetensors,
  locateSafetensorsHeader,
  parseSafetensors,
  parseSafetensorsHeader,
  readSafetensors,
  type SafetensorsEntry,
  type StoredTensor,
  toFloat32,
} from "./safetensors.ts";
