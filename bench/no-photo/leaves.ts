import type { Pixels } from "petalface/images";

/**
 * A dead-leaves image: discs that hide each other, with radii of density r^-3, as in photos of
 * anything (Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 2001).
 */
export function drawLeaves(side: number, uniform: () => number): Pixels {
  const data = new Uint8Array(3 * side * side);
  const covered = new Uint8Array(side * side);
  const [least, most] = [2, side / 2];
  for (let open = side * side, discs = 0; open > 0 && discs < 4000; discs++) {
    const radius = 1 / Math.sqrt(1 / least ** 2 - uniform() * (1 / least ** 2 - 1 / most ** 2));
    const [cx, cy] = [uniform() * (side + 2 * radius) - radius, uniform() * (side + 2 * radius) - radius];
    const grey = 255 * uniform();
    const colour = [0, 1, 2].map(() => Math.min(Math.max(grey + 60 * (uniform() - 0.5), 0), 255));
    for (let y = Math.max(0, Math.ceil(cy - radius)); y <= Math.min(side - 1, cy + radius); y++)
      for (let x = Math.max(0, Math.ceil(cx - radius)); x <= Math.min(side - 1, cx + radius); x++) {
        const at = y * side + x;
        if (covered[at] === 1 || (x - cx) ** 2 + (y - cy) ** 2 > radius ** 2) continue;
        covered[at] = 1;
        open--;
        colour.forEach((value, channel) => {
          data[3 * at + channel] = value;
        });
      }
  }
  return { width: side, height: side, data };
}
