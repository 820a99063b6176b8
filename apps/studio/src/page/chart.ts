import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

/** A line that grows: the loss of each step. */
export interface LossChart {
  add(step: number, loss: number): void;
  remove(): void;
}

const height = 200;

/**
 * Draws an empty chart into `parent`; it keeps to the width of that and to the page's colours when
 * either changes.
 */
export function lossChart(parent: HTMLElement): LossChart {
  const style = getComputedStyle(document.documentElement);
  // uPlot asks for a colour at each drawing.
  const colour = (name: string) => (): string => style.getPropertyValue(name).trim();
  const steps: number[] = [];
  const losses: number[] = [];
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") } };
  const plot = new uPlot(
    {
      width: parent.clientWidth,
      height,
      legend: { show: false },
      scales: { x: { time: false } },
      axes: [
        { ...axis, label: "step" },
        { ...axis, label: "loss" },
      ],
      series: [{}, { stroke: colour("--accent"), width: 2, points: { show: false } }],
    },
    [steps, losses],
    parent,
  );
  const resized = new ResizeObserver(() => {
    if (parent.clientWidth !== plot.width) plot.setSize({ width: parent.clientWidth, height });
  });
  resized.observe(parent);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const recolour = (): void => plot.redraw();
  scheme.addEventListener("change", recolour);
  return {
    add(step, loss) {
      steps.push(step);
      losses.push(loss);
      plot.setData([steps, losses]);
    },
    remove() {
      resized.disconnect();
      scheme.removeEventListener("change", recolour);
      plot.destroy();
    },
  };
}
