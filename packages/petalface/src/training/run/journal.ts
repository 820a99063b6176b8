import type { TrainingOptions } from "../options/options.ts";
import { appendMetrics, type MetricsRecord } from "./metrics.ts";
import { appendEvents, type Scalars } from "./tensorboard.ts";

/** Collects a run's records between two checkpoints. */
export interface Journal {
  /**
   * `waited`: milliseconds that the step waited for its images. No time is in `metrics.jsonl`,
   * which a resumed run repeats to the bit.
   */
  add(record: MetricsRecord, waited?: number): void;
  /**
   * Writes what was added: to `metrics.jsonl`, and to the event file if the run has one. Before the
   * checkpoint that they lead to.
   */
  flush(): Promise<void>;
}

/** Opens the journal of a run that continues now. */
export function openJournal(folder: string, options: Pick<TrainingOptions, "batch" | "tensorboard">): Journal {
  let records: MetricsRecord[] = [];
  let events: Scalars[] = [];
  let last: number | undefined;
  const scalars = (record: MetricsRecord, waited: number | undefined): Record<string, number> => {
    if ("validation" in record) {
      const { value, parts = {} } = record.validation;
      const named = Object.entries(parts).map(([name, part]) => [`validation/${name}`, part]);
      return { "validation/value": value, ...Object.fromEntries(named) };
    }
    const { loss, learningRate, gradientNorm, alpha } = record;
    const now = performance.now();
    const speed = last === undefined ? undefined : (options.batch * 1000) / Math.max(now - last, 1e-3);
    last = now;
    return {
      loss,
      "learning rate": learningRate,
      "gradient norm": gradientNorm,
      alpha,
      ...(speed !== undefined && { "images per second": speed }),
      ...(waited !== undefined && { "seconds waited for images": waited / 1000 }),
    };
  };
  return {
    add(record, waited) {
      records.push(record);
      if (options.tensorboard)
        events.push({ step: record.step, time: Date.now() / 1000, values: scalars(record, waited) });
    },
    async flush() {
      await appendMetrics(folder, records);
      records = [];
      await appendEvents(folder, events);
      events = [];
    },
  };
}
