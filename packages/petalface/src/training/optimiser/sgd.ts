/**
 * One step of SGD in place, by the formula of PyTorch's `torch.optim.SGD` (dampening 0): weight
 * decay is added to the gradient, `velocity = momentum * velocity + g`, and the step is
 * `rate * velocity`, with Nesterov `rate * (g + momentum * velocity)`. `gradientScale` multiplies
 * the gradient first (clipping).
 */
export function sgd(
  values: Float32Array,
  gradient: Float32Array,
  velocity: Float32Array,
  options: {
    readonly rate: number;
    readonly weightDecay: number;
    readonly momentum: number;
    readonly nesterov: boolean;
    readonly gradientScale: number;
  },
): void {
  const { rate, weightDecay, momentum, nesterov, gradientScale } = options;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const g = gradient[i] * gradientScale + weightDecay * value;
    const v = momentum * velocity[i] + g;
    velocity[i] = v;
    values[i] = value - rate * (nesterov ? g + momentum * v : v);
  }
}
