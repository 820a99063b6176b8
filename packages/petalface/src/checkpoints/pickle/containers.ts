import { append, type Machine, newMap, newSet, refusal, setItems, spend } from "./machine.ts";
import { isTuple, type PickleGlobal, type PickleValue, tuple } from "./values.ts";

type Call = (args: readonly PickleValue[], machine: Machine) => PickleValue;

/** A dictionary from nothing, from another one, or from a list of pairs. */
const dictionary: Call = ([content], machine) => {
  const map = newMap(machine);
  if (content instanceof Map) setItems(machine, map, [...content].flat(1));
  else if (Array.isArray(content)) {
    for (const pair of content) {
      if (!Array.isArray(pair)) throw refusal(machine, "a dictionary is made from something other than pairs");
      setItems(machine, map, pair);
    }
  } else if (content !== undefined) throw refusal(machine, "a dictionary is made from something other than pairs");
  return map;
};

/** A dictionary with a default for missing keys, which is dropped: it is a name of code. */
const withDefault: Call = ([, ...rest], machine) => dictionary(rest, machine);

const list: Call = ([content], machine) => {
  spend(machine, "containers", 1);
  const items: PickleValue[] = [];
  if (content === undefined) return items;
  if (!Array.isArray(content)) throw refusal(machine, "a list is made from something other than a list");
  spend(machine, "operations", content.length);
  append(machine, items, content);
  return items;
};

const set: Call = ([content], machine) => {
  if (content !== undefined && !Array.isArray(content))
    throw refusal(machine, "a set is made from something other than a list");
  return newSet(machine, content ?? []);
};

/** How Python 3 writes bytes in old protocols: as text of the same numbers. */
const encode: Call = ([text, encoding], machine) => {
  if (typeof text !== "string" || (encoding !== "latin1" && encoding !== "latin-1"))
    throw refusal(machine, "it encodes text in another encoding than latin1");
  spend(machine, "bytes", text.length);
  return new Uint8Array(Buffer.from(text, "latin1"));
};

/** Bytes from nothing. Bytes of a given length, which a number asks for, are refused. */
const bytes: Call = ([content], machine) => {
  if (content === undefined) return new Uint8Array();
  if (!(content instanceof Uint8Array)) throw refusal(machine, "bytes are made from something other than bytes");
  return content;
};

/** A file name, as text. */
const path: Call = (parts, machine) => {
  if (!parts.every((part) => typeof part === "string"))
    throw refusal(machine, "a path is made from something other than text");
  spend(
    machine,
    "bytes",
    parts.reduce((sum, part) => sum + part.length, parts.length),
  );
  return parts.join("/").replace(/^\/\//, "/");
};

const sizes: Call = ([content], machine) => {
  if (!isTuple(content)) throw refusal(machine, "a size is made from something other than a tuple");
  return content;
};

const calls: ReadonlyMap<string, Call> = new Map<string, Call>([
  ["collections OrderedDict", dictionary],
  ["collections defaultdict", withDefault],
  ["collections Counter", dictionary],
  ["builtins dict", dictionary],
  ["__builtin__ dict", dictionary],
  ["builtins list", list],
  ["__builtin__ list", list],
  ["builtins set", set],
  ["__builtin__ set", set],
  ["builtins frozenset", set],
  ["__builtin__ frozenset", set],
  ["builtins bytes", bytes],
  ["builtins bytearray", bytes],
  ["__builtin__ bytes", bytes],
  ["__builtin__ bytearray", bytes],
  ["_codecs encode", encode],
  ["torch Size", sizes],
  ["torch device", (parts) => tuple(parts)],
  ["pathlib PosixPath", path],
  ["pathlib PurePosixPath", path],
  ["pathlib WindowsPath", path],
  ["pathlib._local PosixPath", path],
]);

/** Classes of options whose instances are read as the dictionary of their attributes. */
const namespaces: ReadonlySet<string> = new Set([
  "argparse Namespace",
  "types SimpleNamespace",
  "easydict EasyDict",
  "pytorch_lightning.utilities.parsing AttributeDict",
  "lightning.pytorch.utilities.parsing AttributeDict",
  "lightning_fabric.utilities.data AttributeDict",
  "lightning.fabric.utilities.data AttributeDict",
]);

const key = (callee: PickleGlobal): string => `${callee.module} ${callee.name}`;

export function isNamespace(callee: PickleGlobal): boolean {
  return namespaces.has(key(callee));
}

/** Containers, byte strings, paths and option objects; undefined for everything else. */
export function callContainer(
  callee: PickleGlobal,
  args: readonly PickleValue[],
  machine: Machine,
): PickleValue | undefined {
  if (isNamespace(callee)) return dictionary(args, machine);
  return calls.get(key(callee))?.(args, machine);
}
