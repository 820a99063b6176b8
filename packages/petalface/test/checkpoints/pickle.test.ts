import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { isTuple, type PickleValue, unpickle } from "../../src/checkpoints/index.ts";
import { PetalfaceError } from "../../src/errors.ts";
import { shared } from "../images/helpers.ts";
import { bytes, dict, int, pickle, text, tuple, uint64 } from "./craft.ts";

const read = (program: Uint8Array, python2: "text" | "bytes" = "text"): PickleValue =>
  unpickle(program, { name: "p", python2 }).value;

describe("a pickle becomes plain data", () => {
  test.each<[string, string, PickleValue]>([
    ["protocol 0 integer", "I-42\n.", -42],
    ["protocol 0 true", "I01\n.", true],
    ["protocol 0 long", "L12345678901234567890L\n.", 12345678901234567890n],
    ["protocol 0 float", "F-1.5e3\n.", -1500],
    ["protocol 0 not a number", "Fnan\n.", Number.NaN],
    ["protocol 0 string with escapes", "S'a\\n\\x41\\\\\\''\n.", "a\nA\\'"],
    ["protocol 0 unicode", "V\\u0416x\n.", "Жx"],
    ["protocol 0 list", "(lI1\naI2\na.", [1, 2]],
    ["protocol 0 dictionary", "(dS'a'\nI1\ns.", new Map([["a", 1]])],
    ["text memo", "(lp3\nI1\na0g3\n.", [1]],
    ["negative long", "\x8a\x01\xff.", -1],
    ["empty long", "\x8a\x00.", 0],
    ["float", "G\x3f\xf8\0\0\0\0\0\0.", 1.5],
    ["bytes", "C\x02\x00\xff.", Uint8Array.of(0, 255)],
    ["Python 2 text", "U\x02ab.", "ab"],
    ["Python 2 bytes", "U\x01\xff.", Uint8Array.of(255)],
    ["a set", "\x8f(K\x01K\x02\x90.", new Set([1, 2])],
    ["a frozen set", "(K\x01K\x02\x91.", new Set([1, 2])],
    ["an ordered dictionary of pairs", "ccollections\nOrderedDict\n](K\x01K\x02\x86e\x85R.", new Map([[1, 2]])],
    ["a counter", "ccollections\nCounter\n}K\x05K\x01s\x85R.", new Map([[5, 1]])],
    ["bytes of old protocols", "c_codecs\nencode\nX\x02\0\0\0\xc3\xbfX\x06\0\0\0latin1\x86R.", Uint8Array.of(255)],
    [
      "a number of NumPy",
      "cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\0\0\0i2K\0K\x01tR(K\x03X\x01\0\0\0>tbC\x02\x01\x02tR.",
      258,
    ],
    ["options", "cargparse\nNamespace\n)\x81}X\x02\0\0\0lrK\x02sb.", new Map([["lr", 2]])],
    ["a path", "cpathlib\nPosixPath\n(X\x01\0\0\0/X\x01\0\0\0atR.", "/a"],
    [
      "the attributes of a state dict, left out",
      "ccollections\nOrderedDict\n)R}X\x09\0\0\0_metadataK\x01sb.",
      new Map(),
    ],
  ])("%s", (_, program, value) => {
    expect(read(new Uint8Array(bytes(program)))).toEqual(value);
  });

  it("tells tuples from lists, and keeps names of code as names", () => {
    expect(isTuple(read(bytes("K\x01\x85.")))).toBe(true);
    expect(isTuple(read(bytes("](K\x01e.")))).toBe(false);
    expect(read(pickle("cos\nsystem\n"))).toEqual({ kind: "global", module: "os", name: "system" });
  });
});

describe("what is not data is refused", () => {
  const system = "cposix\nsystem\n";
  const run = bytes(text("touch pwned"), "\x85");
  test.each<[string, Uint8Array, RegExp]>([
    ["REDUCE", pickle(system, run, "R"), /"posix\.system"/],
    ["NEWOBJ", pickle(system, run, "\x81"), /"posix\.system"/],
    ["NEWOBJ_EX", pickle(system, run, "}\x92"), /"posix\.system"/],
    ["OBJ", pickle("(", system, text("x"), "o"), /"posix\.system"/],
    ["INST", pickle("(", text("x"), "iposix\nsystem\n"), /"posix\.system"/],
    ["STACK_GLOBAL", pickle(text("os"), text("system"), "\x93", run, "R"), /"os\.system"/],
    ["BUILD on a name", pickle(system, "}b"), /sets the state of "posix\.system"/],
    ["getattr", pickle("cbuiltins\ngetattr\n", tuple(system, text("x")), "R"), /"builtins\.getattr"/],
    ["eval", pickle("c__builtin__\neval\n", tuple(text("1")), "R"), /"__builtin__\.eval"/],
    ["a dotted name", pickle("ctorch\n_utils._rebuild_tensor_v2\n", tuple(), "R"), /_utils\._rebuild/],
    ["the parts of a known module", pickle("cnumpy\nload\n", tuple(text("x")), "R"), /"numpy\.load"/],
    ["a call of data", pickle("](K\x01eK\x01\x85R"), /calls a list/],
    ["a known call without a tuple", pickle("ccollections\nOrderedDict\n]R"), /without a tuple/],
    ["bytes of a wished length", pickle("cbuiltins\nbytes\n", tuple(int(2 ** 31 - 1)), "R"), /bytes are made/],
    ["EXT1", pickle("\x82\x01"), /extension registry/],
    ["a persistent id", pickle(text("x"), "Q"), /outside of itself/],
    ["an unknown operation", pickle("\xff"), /no operation/],
    ["a newer protocol", bytes("\x80\x06N."), /protocol 6/],
    ["a name with control characters", pickle("c\x1b[2Jm\nx\n)R"), /\\u001b/],
  ])("%s", (_, program, message) => {
    expect(() => read(program)).toThrow(PetalfaceError);
    expect(() => read(program)).toThrow(message);
  });
});

describe("what is broken is refused", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["nothing", bytes(), /ends in the middle/],
    ["no end", bytes("\x80\x02N"), /ends in the middle/],
    ["an empty stack", bytes("."), /stack is empty/],
    ["a stack below a mark", bytes("N(N\x86."), /stack is empty/],
    ["a missing mark", bytes("t."), /mark is missing/],
    ["two values", bytes("NN."), /more than one/],
    ["a value that was not kept", bytes("h\x07."), /entry 7/],
    ["a length beyond the end", bytes("X\xff\xff\xff\xff."), /ends in the middle/],
    ["a length of 2^62", bytes("\x8e", uint64(2n ** 62n)), /4611686018427387904/],
    ["an integer of a megabyte", bytes("\x8b\x00\x00\x10\x00", Buffer.alloc(2 ** 20)), /integer has 1048576 bytes/],
    ["a decimal of a megabyte", bytes("L", "9".repeat(100_000), "\n."), /integer is malformed/],
    ["text that is not UTF-8", bytes("X\x01\0\0\0\xff."), /UTF-8/],
    ["a key that changes", bytes("}]K\x01s."), /a list as a key/],
    ["a key without a value", bytes("}(K\x01u."), /without a value/],
    ["an item for a tuple", bytes(")K\x01a."), /appended to a tuple/],
    ["an entry for a list", bytes("]K\x01K\x02s."), /into a list/],
    [
      "an array with too few bytes",
      bytes(
        "cnumpy.core.multiarray\n_reconstruct\n)R(K\x01K\x04\x85cnumpy\ndtype\nX\x02\0\0\0f4\x85R\x89C\x02ab",
        "tb.",
      ),
      /needs 16 bytes and has 2/,
    ],
    ["an array of objects", bytes("cnumpy\ndtype\nX\x02\0\0\0O8\x85R."), /"O8"/],
  ])("%s", (_, program, message) => {
    expect(() => read(program)).toThrow(PetalfaceError);
    expect(() => read(program)).toThrow(message);
  });
});

describe("what would fill memory or never end is refused", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["millions of dictionaries", Buffer.alloc(3_000_000, "}"), /more containers/],
    [
      "millions of kept values",
      Buffer.concat([bytes("N"), Buffer.alloc(3_000_000, "\x94", "latin1")]),
      /more memories/,
    ],
    ["millions of lines", Buffer.alloc(2_000_000, "I1\n"), /more operations/],
    ["millions of operations", Buffer.alloc(6_000_000, "N"), /more operations/],
    [
      "many copies of a large dictionary",
      pickle(
        dict(Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [String(at), "N"]))),
        "q\x010",
        ...Array.from({ length: 1000 }, () => "ccollections\nOrderedDict\nh\x01\x85R0"),
        "N",
      ),
      /more operations/,
    ],
    [
      "many copies of a large text",
      pickle(
        text("a".repeat(100_000)),
        "q\x010",
        ...Array.from({ length: 1000 }, () => bytes("c_codecs\nencode\nh\x01", text("latin1"), "\x86R0")),
        "N",
      ),
      /more bytes/,
    ],
  ])("%s", (_, program, message) => {
    expect(() => read(program)).toThrow(message);
  });
});

describe.skipIf(!shared("oracle").exists)("lists of pairs are read (needs PETALFACE_SHARED)", () => {
  const folder = (name: string) => shared("oracle", "formats", "verification", name).path;

  test.each([
    "lfw_mini_p2",
    "lfw_mini_highest",
    "lfw_mini_numpy_p2",
    "lfw_mini_numpy_p4",
    "lfw_mini_numpy_issame_p2",
    "lfw_mini_python2",
  ])("%s", (name) => {
    const file = readFileSync(folder(`${name}.bin`));
    const value = read(file, "bytes");
    if (!isTuple(value)) throw new Error("no tuple");
    const [images, same] = value as readonly [readonly PickleValue[], PickleValue];
    const content = (item: PickleValue): Uint8Array =>
      item instanceof Uint8Array ? item : (item as { data: Uint8Array }).data;
    const count = Array.isArray(same) ? same.length : content(same).length;
    expect(images.length).toBe(2 * count);
    const jpeg = images.every((item) => Buffer.from(content(item).subarray(0, 3)).toString("hex") === "ffd8ff");
    expect(jpeg).toBe(true);
    const hash = createHash("sha256").update(content(images[0])).digest("hex");
    expect(readFileSync(folder("expected.json"), "utf8")).toContain(hash);
  });
});
