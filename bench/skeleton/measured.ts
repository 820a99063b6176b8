/** What a process has used since it began. */
export interface Usage {
  /** Peak of resident memory, bytes. */
  readonly peak: number;
  /** Processor time of all threads, seconds. */
  readonly processor: number;
}

export function usage(): Usage {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  return { peak: maxRSS * 1024, processor: (userCPUTime + systemCPUTime) / 1e6 };
}

/** What came of a process of its own, and what it used. */
export interface Measured<T> extends Usage {
  readonly value: T;
  /** Seconds of the clock, the start of the process included. */
  readonly seconds: number;
}
