/**
 * McNemar's exact test of two models' verdicts on the same cases: the two-sided binomial p value
 * (half each way) of the cases that only one of them got right; 1 where they differ nowhere.
 *
 * @param a, b 1 right, 0 wrong, case by case.
 */
export function mcNemar(a: Uint8Array, b: Uint8Array): number {
  let onlyA = 0;
  let onlyB = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    if (a[i] === 1) onlyA++;
    else onlyB++;
  }
  const n = onlyA + onlyB;
  const k = Math.min(onlyA, onlyB);
  // Terms C(n, i) / 2^n by their logarithms: 2^-n alone underflows from n = 1075.
  let logTerm = -n * Math.LN2;
  let tail = 0;
  for (let i = 0; i <= k; i++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - i) / (i + 1));
  }
  return Math.min(1, 2 * tail);
}
