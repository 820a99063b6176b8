/** A test that did not run. */
export interface SkippedTest {
  readonly name: string;
  /** What the test said when it skipped itself. */
  readonly note: string | undefined;
}

/** Skipped tests with one reason. */
export interface SkippedGroup {
  readonly reason: string;
  readonly names: readonly string[];
}

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/petalface_shared|\bshared\b/i, "PETALFACE_SHARED is missing"],
  [/chromium|browser/i, "no chromium found"],
  [/petalface_nodes/i, "PETALFACE_NODES names no other Node"],
  [/network namespace/i, "no network namespace allowed"],
];

/**
 * Sorts skipped tests by why they were skipped; the reason is read from the name or note, as the
 * house rule on names asks.
 */
export function groupSkipped(skipped: readonly SkippedTest[]): SkippedGroup[] {
  const groups = new Map<string, string[]>();
  for (const { name, note } of skipped) {
    const text = `${name} ${note ?? ""}`;
    const reason = REASONS.find(([pattern]) => pattern.test(text))?.[1] ?? note ?? "no reason given";
    groups.set(reason, [...(groups.get(reason) ?? []), name]);
  }
  return [...groups].map(([reason, names]) => ({ reason, names }));
}
