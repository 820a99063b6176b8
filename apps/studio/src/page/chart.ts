import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

/** A line that grows: the loss of each step. */
export interface LossChart {
  add(step: number, loss: number): void;
  remove(): void;
}

const height = 200;

/** Draws an empty chart into `parent`, as wide as that. */
export function lossChart(parent: HTMLElement): LossChart {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
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
  return {
    add(step, loss) {
      steps.push(step);
      losses.push(loss);
      plot.setData([steps, losses]);
    },
    remove: () => plot.destroy(),
  };
}
