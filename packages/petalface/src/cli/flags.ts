/** Options of the library whose flag is not their name in small letters with hyphens. */
const otherFlags: Readonly<Record<string, string>> = {
  flip: "--no-flip",
  learningRate: "--lr",
  seeds: "--no-seeds",
  validateEvery: "--val-every",
  videos: "--no-videos",
};

/**
 * Options that messages of the library name in quotes: those of training, then those of other
 * calls.
 */
const plainNames: ReadonlySet<string> = new Set(
  `method gate rank scale rankStable dropout outputDropout dropPath featureDropout tokenMasking sites ungated loraInit batchNorm
   quality calibration alphaRange alphaThreshold loss distilWeight margin arcGradient logitScale lossFloor concentration magnitudes
   magnitudeMargins magnitudeWeight lossMomentum classesPerStep centreFaces optimizer upRate weightDecay momentum nesterov warmup
   warmupEpochs firstStep decay clip sharpShare lrPixels degrade variants dropLast preset epochs batch accumulate base seed patience
   checkpointSeconds tensorboard anchors anchorScale anchorWeight
   adapter adapterOut aligned all alpha arch calibrationOf as bgr card channels collection data debug detector embeddings except face
   foldNormalisation folds for force format fps help images inputName
   landmarks leastCosine levels lists maxLeftOut measure metric minutes mirror model named next normalize opset out output outputName outputs person precision prepare protocol provider report
   resume compact gallery galleryKept host index keys mapMissing open port scopes store tlsCert tlsKey size template threshold thresholds train val valData valPixels views whenDown`.split(
    /\s+/,
  ),
);

/**
 * A text of the library with flags in place of the options that it names in quotes:
 * `'learningRate'` becomes `--lr`, and `'loss=distil'` becomes `--loss distil`.
 */
export const withFlags = (text: string): string =>
  text.replaceAll(/'([a-z][A-Za-z]*)(?:=([^'\s]*))?'/g, (quoted, name: string, value?: string) => {
    const flag = flagOf(name);
    if (flag === undefined) return quoted;
    return value === undefined ? flag : `${flag} ${value}`;
  });

function flagOf(name: string): string | undefined {
  if (Object.hasOwn(otherFlags, name)) return otherFlags[name];
  return plainNames.has(name) ? `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}` : undefined;
}
