/** What is wrong with the command of a benchmark, or lacks around it: one line, without a trace. */
export class UsageError extends Error {}
