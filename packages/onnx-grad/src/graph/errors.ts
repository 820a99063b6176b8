/** Longest message; names in a hostile model may have megabytes. */
const LONGEST = 1000;

/**
 * Control characters, line ends and marks that turn text round: a name in a model must not be able
 * to paint over a terminal.
 */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/**
 * One printable line of bounded length; what is too long loses its middle, for the place stands
 * first and the advice last.
 */
function oneLine(text: string): string {
  const short = text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 305)} ... ${text.slice(-300)}`;
  return short.replace(UNPRINTABLE, " ").trim();
}

/**
 * Kinds of {@link OnnxGradError}.
 *
 * - `ONNX_MODEL_UNREADABLE`: a file is damaged, incomplete, of another kind, or uses a part of the
 *   format that is not read.
 * - `ONNX_NODE_UNSUPPORTED`: a node does not fit its operator, or that operator is not supported.
 * - `ONNX_NO_GRADIENT`: a node cannot be differentiated.
 * - `ONNX_GRAPH_UNFIT`: a graph or an option does not fit what was asked.
 */
export type OnnxGradCode = "ONNX_MODEL_UNREADABLE" | "ONNX_NODE_UNSUPPORTED" | "ONNX_NO_GRADIENT" | "ONNX_GRAPH_UNFIT";

/**
 * A model that onnx-grad cannot read, type or differentiate. Programs decide by its code; the
 * message, one line, names the place and the way out.
 */
export class OnnxGradError extends Error {
  override name = "OnnxGradError";
  readonly code: OnnxGradCode;

  /** @param options.cause what was thrown, where this error explains another one */
  constructor(message: string, options: ErrorOptions & { readonly code?: OnnxGradCode } = {}) {
    const { code = "ONNX_GRAPH_UNFIT", ...rest } = options;
    super(oneLine(message), rest);
    this.code = code;
  }
}

/** An error of a file that cannot be read as a model. */
export const unreadable = (message: string, options: ErrorOptions = {}): OnnxGradError =>
  new OnnxGradError(message, { ...options, code: "ONNX_MODEL_UNREADABLE" });
