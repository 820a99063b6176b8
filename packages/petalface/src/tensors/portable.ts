export {
  encodeSafetensors,
  locateSafetensorsHeader,
  parseSafetensors,
  parseSafetensorsHeader,
  type Safetensors,
  type StoredTensor,
  toFloat32,
} from "./safetensors.ts";
