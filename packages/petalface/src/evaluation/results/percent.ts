/** 0.98333 as `98.33`; shares in per cent. */
export function percent(share: number, digits = 2): string {
  return Number.isNaN(share) ? "-" : (share * 100).toFixed(digits).replace(/^-(0(\.0+)?)$/, "$1");
}
