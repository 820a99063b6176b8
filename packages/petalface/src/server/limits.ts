/** What one request, and all of them together, may cost. */
export interface Limits {
  /** Bytes of one photo. */
  readonly photoBytes: number;
  /** Photos of one request. */
  readonly photos: number;
  /** Pixels of one photo. */
  readonly pixels: number;
  /** Faces of one photo; the surest are kept. */
  readonly faces: number;
  /** Milliseconds from the first byte of a request to its answer. */
  readonly time: number;
  /** Photos that wait or are worked on, and changes of a gallery; more are answered with 503. */
  readonly queue: number;
  /** Bytes of all request bodies that are held at a time. */
  readonly bodyBytes: number;
  /** Open connections. */
  readonly connections: number;
  /** Requests of one key in a minute. */
  readonly requestsPerMinute: number;
}

/** Limits unless given. */
export const defaultLimits: Limits = {
  photoBytes: 16 * 2 ** 20,
  photos: 32,
  pixels: 50_000_000,
  faces: 64,
  time: 30_000,
  queue: 64,
  bodyBytes: 256 * 2 ** 20,
  connections: 4096,
  requestsPerMinute: 12_000,
};

/** Counts what is in use of something that there is only so much of. */
export interface Stock {
  /** Takes some; false, and nothing is taken, where there is not as much left. */
  take(amount: number): boolean;
  give(amount: number): void;
  readonly used: number;
}

/** Opens a {@link Stock}. */
export function openStock(most: number): Stock {
  let used = 0;
  return {
    take(amount) {
      if (used + amount > most) return false;
      used += amount;
      return true;
    },
    give(amount) {
      used -= amount;
    },
    get used() {
      return used;
    },
  };
}
