/**
 * What can be closed: by `using`, or by its method `close`. Undefined where there is nothing to
 * close.
 */
export type Closable = AsyncDisposable | Disposable | { close(): void | Promise<void> } | undefined;

/** Keeps something open until the others that it belongs to are closed, and returns it. */
export interface Keep {
  <Resource extends Closable>(resource: Resource): Resource;
  /** With its own way to close it. */
  <Resource>(resource: Resource, close: (resource: Resource) => void | Promise<void>): Resource;
}

/**
 * Resources that are closed together, the last one first, by `await using`. Node 20 and 22 have no
 * AsyncDisposableStack. Every resource is closed even where closing another one fails; the first
 * failure is thrown.
 */
export function openResources(): AsyncDisposable & { readonly keep: Keep } {
  const closing: (() => unknown)[] = [];
  function keep<Resource extends Closable>(resource: Resource): Resource;
  function keep<Resource>(resource: Resource, close: (resource: Resource) => unknown): Resource;
  function keep(resource: Closable, close: (resource: Closable) => unknown = closeOne): Closable {
    closing.push(() => close(resource));
    return resource;
  }
  return {
    keep,
    async [Symbol.asyncDispose]() {
      let failed: { readonly error: unknown } | undefined;
      for (const close of closing.splice(0).reverse()) {
        try {
          await close();
        } catch (error) {
          failed ??= { error };
        }
      }
      if (failed !== undefined) throw failed.error;
    },
  };
}

function closeOne(resource: Closable): unknown {
  if (resource === undefined) return undefined;
  if (Symbol.asyncDispose in resource) return resource[Symbol.asyncDispose]();
  return Symbol.dispose in resource ? resource[Symbol.dispose]() : resource.close();
}

/**
 * Makes something that keeps resources open, and closes them together with it; at once where making
 * it fails.
 * @param make opens the resources one after the other, each through `keep`
 */
export async function withResources<Made extends object>(
  make: (keep: Keep) => Promise<Made>,
): Promise<Made & AsyncDisposable> {
  const open = openResources();
  try {
    return { ...(await make(open.keep)), [Symbol.asyncDispose]: open[Symbol.asyncDispose] };
  } catch (error) {
    // The failure to make it says more than one of closing after it.
    await Promise.resolve(open[Symbol.asyncDispose]()).catch(() => undefined);
    throw error;
  }
}
