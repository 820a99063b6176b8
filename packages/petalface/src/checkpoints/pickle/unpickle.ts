import { PetalfaceError } from "../../errors.ts";
import { readBytes } from "./bytes.ts";
import { callContainer, isNamespace } from "./containers.ts";
import { newMachine, type PickleRules, pop, refusal, spend } from "./machine.ts";
import { callNumpy, setNumpyState } from "./numpy.ts";
import { operations } from "./opcodes.ts";
import type { PickleValue } from "./values.ts";

const STOP = 0x2e;

/** What one pickle became, and the byte after it. */
export interface Unpickled {
  readonly value: PickleValue;
  readonly end: number;
}

/**
 * Runs one pickle. A pickle is a program; this machine knows its data, a short list of containers
 * and arrays, and what `rules` add. Anything else that the pickle names is kept as a name, and
 * calling it is an error. Time and memory are bounded by a count of operations and containers.
 *
 * @param start first byte of the pickle in `bytes`; byte strings in the result share memory with
 * `bytes`
 * @throws TruncatedPickle where the bytes end in the middle, PetalfaceError for everything else
 * that is wrong
 */
export function unpickle(
  bytes: Uint8Array,
  rules: Pick<PickleRules, "name" | "python2"> & Partial<PickleRules>,
  start = 0,
): Unpickled {
  const input = readBytes(bytes, rules.name, start);
  const complete: PickleRules = {
    ...rules,
    call: (callee, args, machine) =>
      callContainer(callee, args, machine) ?? callNumpy(callee, args, machine) ?? rules.call?.(callee, args, machine),
    attributesAreEntries: rules.attributesAreEntries ?? isNamespace,
    setState: rules.setState ?? setNumpyState,
  };
  const machine = newMachine(complete, input, bytes.length);
  for (;;) {
    spend(machine, "operations", 1);
    const code = input.byte();
    if (code === STOP) {
      const value = pop(machine);
      if (machine.stack.length > 0 || machine.marks.length > 0) throw refusal(machine, "it leaves more than one value");
      return { value, end: input.position() };
    }
    const operation = operations.get(code);
    if (operation === undefined)
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_DAMAGED",
        `${rules.name}: byte ${input.position() - 1} is ${code}, no operation of a pickle; the file is damaged or something else`,
      );
    operation(machine);
  }
}
