import type { Progress } from "../api/surroundings.ts";

/** Where a progress line goes: the parts of a terminal stream that are used. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Options of {@link createProgress}. */
export interface ProgressOptions {
  readonly label: string;
  /** How many things there are to do; 0 where that is unknown. */
  readonly total: number;
  /** Plural of what is counted: "images". */
  readonly unit: string;
  /**
   * How many were done before this process began: a resumed run's rate counts from there. 0 unless
   * given.
   */
  readonly from?: number;
  /** undefined: no progress lines. */
  readonly stream: ProgressStream | undefined;
  /** Milliseconds of any clock; for tests. */
  readonly now?: () => number;
}

const REDRAW_MS = 100;
const LINE_MS = 5_000;
/** Off a terminal too, a word comes soon; work that is over by then needs only its sum. */
const FIRST_LINE_MS = 1_000;
/** The rate is that of the last half minute, so that a slow start does not spoil the time left. */
const WINDOW_MS = 30_000;

/** Seconds as `m:ss` or `h:mm:ss`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const pad = (value: number): string => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

function formatRate(perSecond: number): string {
  return perSecond >= 10 ? Math.round(perSecond).toLocaleString("en") : perSecond.toPrecision(2);
}

function count(value: number): string {
  return value.toLocaleString("en");
}

/**
 * One progress line without decoration: label, count, share, rate, time left; rate in things a
 * second, 0 where unknown.
 */
export function formatProgress(options: ProgressOptions, done: number, rate: number, note: string): string {
  const { label, total, unit } = options;
  const parts = [total > 0 ? `${label} ${count(done)}/${count(total)} ${unit}` : `${label} ${count(done)} ${unit}`];
  if (total > 0) parts.push(`${Math.floor((100 * done) / total)} %`);
  if (rate > 0) parts.push(`${formatRate(rate)}/s`);
  if (rate > 0 && total > done) parts.push(`${formatDuration((total - done) / rate)} left`);
  if (note !== "") parts.push(note);
  return parts.join("  ");
}

/**
 * A progress line: redrawn in place on a terminal, a plain line after a second and every five
 * elsewhere.
 */
export function createProgress(options: ProgressOptions): Progress {
  const { stream, from = 0, now = () => performance.now() } = options;
  const started = now();
  let window = [{ time: started, done: from }];
  let lastShown = stream?.isTTY ? Number.NEGATIVE_INFINITY : started + FIRST_LINE_MS - LINE_MS;
  let latest = from;

  const rateAt = (time: number): number => {
    window.push({ time, done: latest });
    // The last sample before the window stays, so that a step slower than the window still has a
    // rate.
    const cut = window.findLastIndex((sample) => sample.time <= time - WINDOW_MS);
    if (cut > 0) window = window.slice(cut);
    const oldest = window[0];
    return oldest && time > oldest.time ? (1000 * (latest - oldest.done)) / (time - oldest.time) : 0;
  };

  return {
    update(done, note = "") {
      latest = done;
      if (stream === undefined) return;
      const time = now();
      if (time - lastShown < (stream.isTTY ? REDRAW_MS : LINE_MS)) return;
      lastShown = time;
      const line = formatProgress(options, done, rateAt(time), note);
      stream.write(stream.isTTY ? `\r${line.slice(0, (stream.columns ?? 80) - 1)}\u001b[K` : `${line}\n`);
    },
    close() {
      if (stream === undefined) return;
      const seconds = (now() - started) / 1000;
      const rate = seconds > 0 && latest > from ? `, ${formatRate((latest - from) / seconds)}/s` : "";
      const line = `${options.label} ${count(latest)} ${options.unit} in ${formatDuration(seconds)}${rate}`;
      stream.write(stream.isTTY ? `\r\u001b[K${line}\n` : `${line}\n`);
    },
  };
}
