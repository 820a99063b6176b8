import { join } from "node:path";
import { shared } from "../skeleton/shared.ts";

/** Detectors that are measured: how tables call them, and their files. */
export const detectors: readonly { readonly name: string; readonly file: string }[] = [
  { name: "fr_detect (UltraFace), the default", file: "fr_detect" },
  { name: "SCRFD 2.5g", file: join(shared, "weights/scrfd_2.5g_bnkps.onnx") },
  { name: "YuNet", file: join(shared, "weights/yunet_n_dynamic.onnx") },
];
