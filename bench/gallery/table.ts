/** How one way of searching fared. */
export interface Contender {
  readonly name: string;
  /**
   * Seconds until the first search could begin: reading or building; undefined if that is not
   * meant.
   */
  readonly opened: number;
  /** Milliseconds of a search, the median. */
  readonly milliseconds: number;
  /** Peak of resident memory, bytes. */
  readonly memory: number;
  /** Number of the person that was nearest, one a probe. */
  readonly found: readonly number[];
}
