/**
 * What an optimiser keeps of one flat vector: AdamW's two moments, or SGD's velocity and an empty
 * second vector.
 */
export interface Moments {
  readonly first: Float32Array;
  readonly second: Float32Array;
}
