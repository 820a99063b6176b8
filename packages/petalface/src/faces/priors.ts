/**
 * One level of a detector's grid: pixels between cells, and the sides of the square boxes in each.
 */
export interface PriorLevel {
  readonly stride: number;
  readonly sides: readonly number[];
}

/** A prior box of an SSD-like detector, in pixels of its canvas. */
export interface Prior {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

/**
 * Prior boxes in the order of the outputs: level by level, row by row, cell by cell, side by side
 * (Liu et al., SSD, 2016).
 */
export function priorsOf(levels: readonly PriorLevel[], width: number, height: number): Prior[] {
  return levels.flatMap(({ stride, sides }) => {
    const [columns, rows] = [Math.ceil(width / stride), Math.ceil(height / stride)];
    return Array.from({ length: rows * columns }, (_, cell) => {
      const [row, column] = [Math.floor(cell / columns), cell % columns];
      return sides.map((side) => ({ x: (column + 0.5) * stride, y: (row + 0.5) * stride, side }));
    }).flat();
  });
}

/**
 * How far a centre moves, and how a side grows, for one unit of output; both detectors that use
 * priors were trained with these.
 */
export const variances = { centre: 0.1, side: 0.2 } as const;
