import type { Layout } from "../../adapters/index.ts";

/** Share of a batch in the running statistics, PyTorch's default. */
const momentum = 0.1;

/**
 * Running statistics after a batch: `0.9 running + 0.1 batch`, with the unbiased variance, as
 * PyTorch's batch normalisation keeps them. `batch` holds means and population variances; both
 * vectors lie as `norms` says, and `samples` says how many numbers of a channel a norm saw.
 */
export function followStatistics(
  { all }: Layout["norms"],
  running: Float32Array,
  batch: Float32Array,
  samples: readonly number[],
): Float32Array {
  const next = new Float32Array(running.length);
  all.forEach(({ channels, offset }, index) => {
    const count = samples[index];
    for (let i = offset; i < offset + 2 * channels; i++) {
      const unbiased = i < offset + channels ? 1 : count / (count - 1);
      next[i] = (1 - momentum) * running[i] + momentum * unbiased * batch[i];
    }
  });
  return next;
}
