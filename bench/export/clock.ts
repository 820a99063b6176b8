/**
 * Processor seconds of this process that some work takes: what else runs on the machine counts
 * little.
 */
export async function secondsOf(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
