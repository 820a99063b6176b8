export {
  encodeSafetensors,
  parseSafetensors,
  readSafetensors,
  type StoredTensor,
  toFloat32,
} from "./safetensors.ts";
