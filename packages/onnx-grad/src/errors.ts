/** A model that onnx-grad cannot read, type or differentiate. The message names the place and the way out. */
export class OnnxGradError extends Error {
  override name = "OnnxGradError";
}
