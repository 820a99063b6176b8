import type { BatchPlace, Dim, Ops } from "onnx-grad";

/** The gate `[N, rank]`, laid out for the rank channels of sites. */
export interface Gating {
  /**
   * Rank channels times the gate: `u` has its rank channels along `axis` and the images of the
   * batch where `rows` says. Each row is weighted by the gate of its image. The result has the
   * shape of `u`.
   */
  apply(u: string, axis: number, rows: BatchPlace): string;
}

/**
 * Lays out a gate `[N, rank]`. The batch axis of the rank channels is cut into outer, N and inner
 * where it is made of more than the batch (a reshape moves no numbers), and the gate broadcasts
 * over all axes but N and rank.
 */
export function gating(o: Ops, gate: string): Gating {
  const made = new Map<string, string>();
  /**
   * The gate over `rank` axes, its images along `image` and its channels along `channel`; made once
   * for each layout.
   */
  const broadcast = (rank: number, image: number, channel: number): string => {
    const key = `${rank} ${image} ${channel}`;
    const known = made.get(key);
    if (known !== undefined) return known;
    const ordered = image < channel ? gate : o.transpose(gate, [1, 0]);
    // Leading axes of 1 are left to broadcasting.
    const lead = Math.min(image, channel);
    const axes = Array.from({ length: rank - lead }, (_, at) => at + lead).filter(
      (at) => at !== image && at !== channel,
    );
    const result =
      axes.length === 0
        ? ordered
        : o.unsqueeze(
            ordered,
            axes.map((at) => at - lead),
          );
    made.set(key, result);
    return result;
  };
  return {
    apply(u, channel, { axis, outer, inner }) {
      const shape = o.shape(u);
      const [batch = 1] = o.shape(gate);
      const parts: Dim[] = [...(outer > 1 ? [outer] : []), batch, ...(inner > 1 ? [inner] : [])];
      const cut = [...shape.slice(0, axis), ...parts, ...shape.slice(axis + 1)];
      const image = axis + (outer > 1 ? 1 : 0);
      const moved = channel > axis ? channel + parts.length - 1 : channel;
      return o.reshape(o.mul(o.reshape(u, cut), broadcast(cut.length, image, moved)), shape);
    },
  };
}
