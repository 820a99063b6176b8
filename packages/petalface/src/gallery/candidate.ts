/** A person that a face may be. */
export interface Candidate {
  /** Id of the person. */
  readonly person: number;
  readonly cosine: number;
}

/** Nearest first; of equal ones the lower id. */
export const byCosine = (one: Candidate, other: Candidate): number =>
  other.cosine - one.cosine || one.person - other.person;

/** Of faces, nearest first, the people, each with the cosine of the nearest face. */
export function nearestPeople(faces: readonly Candidate[]): Candidate[] {
  const seen = new Set<number>();
  return faces.filter(({ person }) => !seen.has(person) && seen.add(person));
}
