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
 * A model that onnx-grad cannot read, type or differentiate. The message, one line, names the place
 * and the way out.
 */
export class OnnxGradError extends Error {
  override name = "OnnxGradError";

  constructor(message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
  }
}
