/**
 * The few words of WebAssembly that this project writes down by hand: its modules are of some 20
 * lines each, which need no compiler. Every instruction is a list of bytes. Instructions:
 * WebAssembly core specification 2.0, section 5.4; the layout of a module: section 5.5.
 */

/** What is used of WebAssembly, whose types come only with those of browsers. */
export interface Engine<Memory> {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  readonly Memory: new (limits: { initial: number; maximum?: number; shared?: true }) => Memory;
}

/** The engine of this Node or browser. */
export const engine = <Memory>(): Engine<Memory> =>
  (globalThis as unknown as { readonly WebAssembly: Engine<Memory> }).WebAssembly;

/** Bytes of a page of memory. */
export const pageBytes = 65_536;

/** A whole number as LEB128, the signed form. */
function signed(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; ) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    out.push(done ? byte : byte | 0x80);
    if (done) return out;
  }
}

/** The same, unsigned. */
export function unsigned(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; ) {
    const byte = rest & 0x7f;
    rest >>>= 7;
    out.push(rest === 0 ? byte : byte | 0x80);
    if (rest === 0) return out;
  }
}

export const i32 = 0x7f;
export const v128 = 0x7b;
const none = 0x40;

export const get = (local: number): number[] => [0x20, local];
export const set = (local: number): number[] => [0x21, local];
export const constant = (value: number): number[] => [0x41, ...signed(value)];
export const add = [0x6a];
export const multiply = [0x6c];
export const isBelow = [0x49];
export const isNotBelow = [0x4f];
export const block = (...body: number[][]): number[] => [0x02, none, ...body.flat(), 0x0b];
export const loop = (...body: number[][]): number[] => [0x03, none, ...body.flat(), 0x0b];
export const jump = (depth: number): number[] => [0x0c, depth];
export const jumpIf = (depth: number): number[] => [0x0d, depth];
/** An instruction on vectors of 128 bits. */
export const simd = (code: number, ...rest: number[]): number[] => [0xfd, ...unsigned(code), ...rest];
/** Reads 8 signed bytes as 8 whole numbers of 16 bits. */
export const load8x8Signed = (offset: number): number[] => simd(0x01, 3, ...unsigned(offset));

const section = (id: number, content: number[]): number[] => [id, ...unsigned(content.length), ...content];
const text = (value: string): number[] => [value.length, ...new TextEncoder().encode(value)];

/** One function of whole numbers without a result, which is the whole of a module. */
export interface WholeModule {
  /** Its name among the module's exports. */
  readonly name: string;
  readonly parameters: number;
  /** How many variables of each type follow the parameters. */
  readonly variables: readonly (readonly [count: number, type: number])[];
  readonly body: readonly number[];
  /** The limits of the memory that it imports as `env.memory`, as a module states them. */
  readonly memory: readonly number[];
}

/** The module as the engine has it. */
export function compile({ name, parameters, variables, body, memory }: WholeModule): object {
  const code = [variables.length, ...variables.flat(), ...body, 0x0b];
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, parameters, ...Array.from({ length: parameters }, () => i32), 0]),
    ...section(2, [1, ...text("env"), ...text("memory"), 2, ...memory]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text(name), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ];
  return new (engine().Module)(Uint8Array.from(bytes));
}
