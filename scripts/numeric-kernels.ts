/**
 * Files in which an indexed item may be used without a check for `undefined`: loops over numbers
 * whose indices come from the lengths of the same arrays. A check of each item would cost time
 * there and protect nothing. Files that read what people give (options, models, images, lists) do
 * not belong in this list.
 */
export const numericKernels: readonly string[] = [
  // An item that is missing fails the test, or shows in the table.
  "packages/*/test/**",
  "bench/**",
  // Gradients, folding and weights of ONNX graphs, after their shapes are known.
  "packages/onnx-grad/src/fold/{affine,rearrange}.ts",
  "packages/onnx-grad/src/lower/passes/winograd-transforms.ts",
  "packages/onnx-grad/src/precision/{bytes,negligible,quantise}.ts",
  // Pixels of a decoded image, and signals made from them.
  "packages/petalface/src/images/{area,basis-sum,bilinear,facespace,hash,pixels}.ts",
  "packages/petalface/src/images/camera/{block,blur,colour,h264,jpeg,resample,sample,sensor,tone,turbulence}.ts",
  "packages/petalface/src/images/fit/describe.ts",
  "packages/petalface/src/faces/{turns,warp}.ts",
  "packages/petalface/src/faces/detectors/{planes,scrfd,ultraface,yunet}.ts",
  "packages/petalface/src/backbones/{normalisation,pixels}.ts",
  "packages/petalface/src/quality/{calibrate,grey,histogram,matrices,resolution,spearman}.ts",
  "packages/petalface/src/quality/brisque/{aggd,gamma}.ts",
  // Weights of checkpoints as other number types, after their lengths are known.
  "packages/petalface/src/checkpoints/convert.ts",
  // Keys and places of record files, after they are read.
  "packages/petalface/src/data/records/keys.ts",
  // Embeddings, scores and statistics of whole sets.
  "packages/petalface/src/matching/**",
  "packages/petalface/src/evaluation/statistics/**",
  "packages/petalface/src/evaluation/protocols/{enrol,fuse,matching,nearest,nearest-people,reference-verification,without}.ts",
  "packages/petalface/src/audit/{groups,near,people,separation}.ts",
  "packages/petalface/src/gallery/{codes,exact,linear-map,score,search,templates}.ts",
  "packages/petalface/src/gallery/scan/scan-worker.ts",
  "packages/petalface/src/gallery/sketch/{file,project,scan,searcher}.ts",
  "packages/petalface/src/{deploy/thresholds,api/threshold/compare}.ts",
  "apps/studio/src/work/{alpha,measure,train}.ts",
  // Vectors of trainable numbers, tables of random numbers and of hashes.
  "packages/petalface/src/adapters/formats/merge.ts",
  "packages/petalface/src/training/optimiser/**",
  "packages/petalface/src/training/steps/{noise,sampler,sums}.ts",
  "packages/petalface/src/training/state/{first-state,statistics}.ts",
  "packages/petalface/src/embeddings/key-index.ts",
  "packages/petalface/src/{random,training/run/crc32c}.ts",
];
