/**
 * Share of the standard normal distribution below `z` (through the incomplete gamma function;
 * absolute error below 1e-12).
 */
export function normalBelow(z: number): number {
  const tail = 0.5 * upperGammaHalf((z * z) / 2);
  return z < 0 ? tail : 1 - tail;
}

/**
 * Both tails of the standard normal distribution beyond `|z|`; exact far out, where 1 - normalBelow
 * would be 0.
 */
export function normalTails(z: number): number {
  return upperGammaHalf((z * z) / 2);
}

/** Where the standard normal distribution has `share` below it, 0 < share < 1. */
export function normalQuantile(share: number): number {
  return invert((z) => normalBelow(z), share);
}

/**
 * Both tails of Student's distribution with `df` degrees of freedom beyond `|t|`; `df` need not be
 * whole.
 */
export function studentTails(t: number, df: number): number {
  if (!Number.isFinite(df)) return normalTails(t);
  const square = t * t;
  // Near 0 the share between the tails is what keeps its digits.
  if (square < df) return 1 - incompleteBeta(square / (df + square), 0.5, df / 2);
  return incompleteBeta(df / (df + square), df / 2, 0.5);
}

/** Where Student's distribution has `share` below it, 0 < share < 1. */
export function studentQuantile(share: number, df: number): number {
  if (!Number.isFinite(df)) return normalQuantile(share);
  return invert((t) => (t < 0 ? studentTails(t, df) / 2 : 1 - studentTails(t, df) / 2), share);
}

/** Bisection; the functions here rise. */
function invert(below: (x: number) => number, share: number): number {
  let high = 1;
  while (below(high) < share || below(-high) > share) high *= 2;
  let low = -high;
  for (let step = 0; step < 200 && high - low > 1e-14 * (1 + Math.abs(low)); step++) {
    const middle = (low + high) / 2;
    if (below(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Q(1/2, x), the upper regularised incomplete gamma function: series below 1.5, Lentz's continued
 * fraction above (DLMF 8.11, 8.9).
 */
function upperGammaHalf(x: number): number {
  if (x <= 0) return 1;
  const front = Math.sqrt(x / Math.PI) * Math.exp(-x);
  if (x < 1.5) {
    let term = 2;
    let sum = term;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= x / (n + 0.5);
      sum += term;
    }
    return 1 - front * sum;
  }
  return front * continuedFraction(x + 0.5, (n) => [-n * (n - 0.5), x + 0.5 + 2 * n]);
}

/** I_x(a, b), the regularised incomplete beta function by its continued fraction (DLMF 8.17.22). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  const coefficient = (n: number): readonly [number, number] => {
    const m = Math.floor(n / 2);
    const d =
      n % 2 === 0
        ? (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
        : (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    return [d, 1];
  };
  return front * continuedFraction(1, coefficient);
}

/** 1 / (b0 + a1 / (b1 + a2 / (b2 + ...))), modified Lentz (Thompson and Barnett 1986). */
function continuedFraction(b0: number, coefficient: (n: number) => readonly [number, number]): number {
  const tiny = 1e-300;
  let f = b0 === 0 ? tiny : b0;
  let c = f;
  let d = 0;
  for (let n = 1; n < 10_000; n++) {
    const [a, b] = coefficient(n);
    d = 1 / (b + a * d || tiny);
    c = b + a / c || tiny;
    const step = c * d;
    f *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return 1 / f;
}

/** Lanczos' approximation with g = 7 and nine terms (Godfrey 2001), relative error near 1e-15. */
function logGamma(x: number): number {
  const terms = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const shifted = x - 1;
  const t = shifted + 7.5;
  const sum = terms.reduce((total, term, i) => (i === 0 ? term : total + term / (shifted + i)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum);
}
