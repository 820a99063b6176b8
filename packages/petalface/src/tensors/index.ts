export {
  encodeSafetensors,
  parseSafetensors,
  readSafetensors,
  type Safetensors,
  type StoredTensor,
  type TensorData,
  type TensorType,
  toFloat32,
} from "./safetensors.ts";
