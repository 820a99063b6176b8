import { resolve } from "node:path";
import { unreadable } from "../graph/errors.ts";
import { withFile } from "./file.ts";
import { refuseOther } from "./other.ts";
import { decodeProto, type TensorProto } from "./proto.ts";
import { locate, startSource } from "./source.ts";
import { SELF, thinModel } from "./thin.ts";

/** A file next to a model with some of its weights. */
export interface ExternalFile {
  /** Its name as the model writes it, relative to the model's folder. */
  readonly location: string;
  /** Its real path. */
  readonly file: string;
  /** Its size in bytes. */
  readonly size: number;
}

/**
 * The files that the tensors of an ONNX model lie in besides the model itself (`external_data` in
 * onnx.proto), sorted by their names in the model; empty for a model that holds its own weights. Of
 * the weights nothing is read.
 *
 * @param path of the `.onnx` file
 * @throws OnnxGradError if the file is not an ONNX model, or one of the files is missing or lies
 * outside the model's folder
 */
export function externalFiles(path: string): ExternalFile[] {
  return withFile(resolve(path), (file) => {
    refuseOther(file);
    const { graph } = decodeProto(thinModel(file), file.path);
    const tensors: TensorProto[] = [...(graph?.initializer ?? [])];
    for (const { attribute = [] } of graph?.node ?? []) for (const { t } of attribute) if (t) tensors.push(t);
    const source = startSource(file);
    const found = new Map<string, ExternalFile>();
    for (const { name, dataLocation, externalData = [] } of tensors) {
      const location = externalData.find(({ key }) => key === "location")?.value ?? "";
      if (dataLocation !== 1 || location === SELF || location === "" || found.has(location)) continue;
      const place = locate(source, location);
      if (typeof place === "string") throw unreadable(`${file.path}: tensor "${name ?? ""}" ${place}`);
      found.set(location, { location, ...place });
    }
    return [...found.values()].sort((a, b) => (a.location < b.location ? -1 : 1));
  });
}
