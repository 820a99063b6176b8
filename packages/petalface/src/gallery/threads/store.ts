import { PetalfaceError } from "../../errors.ts";
import { openThread, type Thread } from "../../thread.ts";
import { galleryAddress } from "../address.ts";
import { openGallery, refusePart } from "../open.ts";
import type { GalleryStore, ServedStore } from "../store.ts";
import type { GallerySettings } from "../types.ts";
import type { StoreMethod, StoreTask, StoreThread } from "./store-worker.ts";

/** How a gallery is opened for a server. */
export interface ServedStoreOptions {
  /** Milliseconds that a change waits for another process that writes the gallery. */
  readonly patience: number;
  /**
   * Hears why a thread has ended by itself. What it had not answered is refused
   * (`PETAL_THREAD_ENDED`), and the next call starts another one.
   */
  readonly onLost: (reason: string) => void;
}

/**
 * Milliseconds that reading waits for another process. Writers do not keep readers waiting, but for
 * a moment when the last other process closes the gallery.
 */
const readingPatience = 1000;

/**
 * Opens a gallery so that the thread that calls it never waits for the disk or for a lock: SQLite
 * keeps its thread busy for as long as a call takes. A file is read in one thread and changed in
 * another one, which starts with the first change. So searches go on while a change waits for
 * another process. PostgreSQL needs no thread.
 *
 * @throws PetalfaceError as {@link openGallery} does
 */
export async function openServedStore(address: string, { patience, onLost }: ServedStoreOptions): Promise<ServedStore> {
  const place = galleryAddress(address);
  if (place.kind === "postgres") return await openGallery(address);
  const { path } = place;
  const reader = keepThread({ path, patience: readingPatience }, onLost);
  const writer = keepThread({ path, patience, check: false }, onLost);
  const close = async (): Promise<void> => {
    await writer.close();
    await reader.close();
  };
  const settings = await reader.open();
  try {
    refusePart(path, settings);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    path,
    settings,
    record: () => reader.ask("record"),
    version: () => reader.ask("version"),
    people: () => reader.ask("people"),
    count: () => reader.ask("count"),
    names: (people) => reader.ask("names", people),
    ids: (names) => reader.ask("ids", names),
    faces: (people) => reader.ask("faces", people),
    vectors: (after) => reader.ask("vectors", after),
    read: (chosen) => reader.ask("read", chosen),
    crop: (face) => reader.ask("crop", face),
    async codes(memory) {
      // It takes a second for a million faces, and would keep the memory until its next garbage
      // collection: this thread ends at once.
      const own = keepThread({ path, patience: readingPatience, check: false }, () => {});
      try {
        return await own.ask("codes", memory);
      } finally {
        await own.close();
      }
    },
    addAll: (people) => writer.ask("addAll", people),
    remove: (person) => writer.ask("remove", person),
    removeFaces: (person, faces) => writer.ask("removeFaces", person, faces),
    rename: (person, name) => writer.ask("rename", person, name),
    close,
    [Symbol.asyncDispose]: close,
  };
}

type StoreAnswer<Method extends StoreMethod> = Awaited<ReturnType<GalleryStore[Method]>>;

/** A thread with an open gallery, which starts when it is needed. */
interface KeptThread {
  /** Starts it, where it is not there; the gallery's settings. */
  open(): Promise<GallerySettings>;
  ask<Method extends StoreMethod>(
    method: Method,
    ...args: Parameters<GalleryStore[Method]>
  ): Promise<StoreAnswer<Method>>;
  close(): Promise<void>;
}

interface StartedThread {
  readonly thread: Thread<StoreTask, unknown>;
  readonly settings: GallerySettings;
}

function keepThread(workerData: StoreThread, onLost: (reason: string) => void): KeptThread {
  const file = new URL(`./store-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  let current: Promise<StartedThread> | undefined;

  async function start(): Promise<StartedThread> {
    const thread = openThread<StoreTask, unknown>(file, { name: "a gallery's thread", workerData });
    try {
      return { thread, settings: (await thread.ask({ method: "open" })) as GallerySettings };
    } catch (error) {
      await thread.end();
      throw error;
    }
  }

  function started(): Promise<StartedThread> {
    if (current !== undefined) return current;
    const own = start();
    const forget = (): void => {
      if (current === own) current = undefined;
    };
    current = own;
    own.then(async ({ thread }) => {
      const { message } = await thread.lost;
      forget();
      onLost(message);
    }, forget);
    return own;
  }
  return {
    open: async () => (await started()).settings,
    async ask<Method extends StoreMethod>(
      method: Method,
      ...args: Parameters<GalleryStore[Method]>
    ): Promise<StoreAnswer<Method>> {
      const { thread } = await started();
      return (await thread.ask({ method, args })) as StoreAnswer<Method>;
    },
    async close() {
      const last = await current?.catch(() => undefined);
      current = undefined;
      if (last === undefined) return;
      try {
        await last.thread.ask({ method: "close" });
      } catch (error) {
        // A thread that has ended holds nothing.
        if (!(error instanceof PetalfaceError && error.code === "PETAL_THREAD_ENDED")) throw error;
      } finally {
        await last.thread.end();
      }
    },
  };
}
