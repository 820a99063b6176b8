import { expect, test } from "vitest";
import { openResources, withResources } from "../src/resources.ts";

const resource = (name: string, log: string[]) => ({ close: () => void log.push(name) });

test("resources are closed last first, each in its own way", async () => {
  const log: string[] = [];
  {
    await using open = openResources();
    open.keep(resource("close", log));
    open.keep({ [Symbol.dispose]: () => void log.push("dispose") });
    open.keep({ [Symbol.asyncDispose]: async () => void log.push("asyncDispose") });
    open.keep(undefined);
    const file = { name: "file", close: () => void log.push("not this") };
    expect(open.keep(file, (kept) => void log.push(`discard ${kept.name}`))).toBe(file);
  }
  expect(log).toEqual(["discard file", "asyncDispose", "dispose", "close"]);
});

test("all are closed where closing one fails, and the first failure is thrown", async () => {
  const log: string[] = [];
  const closed = async (): Promise<void> => {
    await using open = openResources();
    open.keep(resource("first", log));
    open.keep({ close: () => Promise.reject(new Error("of the second")) });
    open.keep(resource("third", log));
  };
  await expect(closed()).rejects.toThrow("of the second");
  expect(log).toEqual(["third", "first"]);
});

test("what was made owns its resources", async () => {
  const log: string[] = [];
  {
    await using made = await withResources(async (keep) => ({ one: keep(resource("one", log)), two: 2 }));
    expect(made.two).toBe(2);
    expect(log).toEqual([]);
  }
  expect(log).toEqual(["one"]);
});

test("where making fails, what was opened is closed and the failure is thrown", async () => {
  const log: string[] = [];
  const making = withResources(async (keep) => {
    keep(resource("one", log));
    keep({ close: () => Promise.reject(new Error("while closing")) });
    throw new Error("cannot be made");
  });
  await expect(making).rejects.toThrow("cannot be made");
  expect(log).toEqual(["one"]);
});
