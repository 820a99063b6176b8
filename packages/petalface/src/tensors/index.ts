export {
  encodeSafetensors,
  locateSafetensorsHeader,
  parseSafetensors,
  parseSafetensorsHeader,
  readSafetensors,
  type StoredTensor,
  toFloat32,
} from "./safetensors.ts";
