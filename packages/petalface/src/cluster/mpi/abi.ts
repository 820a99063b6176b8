import type { LibraryHandle } from "koffi";
import { itemAt } from "onnx-grad";
import { messageOf, PetalfaceError } from "../../errors.ts";

/** A number that names an object of MPI: a small one in MPICH's ABI, an address in Open MPI's. */
type Handle = number | bigint;

/** The calls of an MPI library that petalface makes. Each throws PetalfaceError where it fails. */
export interface Mpi {
  /** What the library calls itself. */
  readonly version: string;
  readonly rank: number;
  readonly count: number;
  /** Starts MPI_Iallgatherv on float32 numbers. The buffers must stay as they are until it ends. */
  join(send: Float32Array, receive: Float32Array, counts: Int32Array, places: Int32Array): Request;
  /** Starts MPI_Ialltoallv on float32 numbers. */
  exchange(send: Float32Array, sent: Layout, receive: Float32Array, received: Layout): Request;
  /** Whether a request has ended; makes progress on all. */
  test(request: Request): boolean;
  /** Ends every rank with this exit code. Does not return. */
  abort(code: number): void;
  /** Ends MPI, once every rank has called it. */
  finalize(): void;
}

/** How many numbers each rank has in a buffer, and where they begin. */
export interface Layout {
  readonly counts: Int32Array;
  readonly places: Int32Array;
}

/** A transfer under way: the memory that MPI keeps its handle in. */
export type Request = Uint8Array;

/** What differs between the two ABIs. MPICH's holds for Intel MPI and MVAPICH too. */
interface Abi {
  readonly handle: "intptr_t" | "int";
  readonly world: Handle;
  readonly float: Handle;
  readonly errorsReturn: Handle;
  readonly ignoreStatus: number;
}

/** Values of MPICH's mpi.h, which its ABI fixes. */
const mpich: Abi = {
  handle: "int",
  world: 0x44000000,
  float: 0x4c00040a,
  errorsReturn: 0x54000001,
  ignoreStatus: 1,
};

/** Of MPI_Init_thread: only the thread that calls it calls MPI. */
const funneled = 1;

/** Most bytes of MPI's own descriptions (MPI_MAX_LIBRARY_VERSION_STRING is 256 or 8192). */
const textBytes = 8192;

/**
 * Loads the first MPI library that is there and initialises it in this thread.
 *
 * @throws PetalfaceError where there is none, or it is of an unknown kind
 */
export async function openMpi(names: readonly string[]): Promise<Mpi> {
  const koffi = await import("koffi").catch((cause: unknown) => {
    throw new PetalfaceError(
      "PETAL_RANKS_FAILED",
      "the npm package koffi, which calls MPI, is not installed: npm install koffi",
      { cause },
    );
  });
  let library: LibraryHandle | undefined;
  const failures: string[] = [];
  for (const name of names) {
    try {
      // Open MPI's plug-ins look for its symbols among the global ones.
      library = koffi.load(name, { global: true, lazy: true });
      break;
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  if (library === undefined)
    throw new PetalfaceError(
      "PETAL_RANKS_FAILED",
      `this process was started as one of several, and no MPI library was found (${names.join(", ")}): install it (Debian: openmpi-bin, or mpich), or name its file in PETALFACE_MPI`,
    );
  const opened = library;
  const version = versionOf(opened);
  const symbol = (name: string): bigint => koffi.address(opened.symbol(name));
  if (version.startsWith("Open MPI"))
    return start(opened, version, {
      handle: "intptr_t",
      world: symbol("ompi_mpi_comm_world"),
      float: symbol("ompi_mpi_float"),
      errorsReturn: symbol("ompi_mpi_errors_return"),
      ignoreStatus: 0,
    });
  if (/^(MPICH|Intel|MVAPICH|HPE|CRAY)/i.test(version)) return start(opened, version, mpich);
  throw new PetalfaceError(
    "PETAL_RANKS_FAILED",
    `the MPI library calls itself "${version.slice(0, 60)}"; petalface knows Open MPI's ABI and MPICH's`,
  );
}

const textOf = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString();
};

/** Memory that the collector does not move. */
const fixed = (bytes: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(bytes));

function versionOf(library: LibraryHandle): string {
  const bytes = fixed(textBytes);
  const length = [0];
  library.func("int MPI_Get_library_version(void *version, _Out_ int *length)")(bytes, length);
  return textOf(bytes);
}

function start(library: LibraryHandle, version: string, abi: Abi): Mpi {
  const { handle: H, world, float, ignoreStatus } = abi;
  const describe = library.func("int MPI_Error_string(int code, void *text, _Out_ int *length)");
  const bind = (declaration: string): ((...given: unknown[]) => void) => {
    const call = library.func(declaration);
    const name = /MPI_\w+/.exec(declaration)?.[0] ?? "MPI";
    return (...given) => {
      const code = Number(call(...given));
      if (code === 0) return;
      const text = fixed(textBytes);
      describe(code, text, [0]);
      throw new PetalfaceError("PETAL_RANKS_FAILED", `${name} failed: ${textOf(text).trim() || `error ${code}`}`);
    };
  };
  const number = (declaration: string): number => {
    const out = [0];
    bind(declaration)(world, out);
    return itemAt(out, 0);
  };
  const provided = [0];
  bind("int MPI_Init_thread(void *argc, void *argv, int required, _Out_ int *provided)")(
    null,
    null,
    funneled,
    provided,
  );
  // An error must end with a message of ours, not in the middle of a call.
  bind(`int MPI_Comm_set_errhandler(${H} comm, ${H} handler)`)(world, abi.errorsReturn);
  const allgatherv = bind(
    `int MPI_Iallgatherv(void *s, int n, ${H} st, void *r, void *counts, void *places, ${H} rt, ${H} comm, void *request)`,
  );
  const alltoallv = bind(
    `int MPI_Ialltoallv(void *s, void *sn, void *sp, ${H} st, void *r, void *rn, void *rp, ${H} rt, ${H} comm, void *request)`,
  );
  const test = bind("int MPI_Test(void *request, _Out_ int *flag, intptr_t status)");
  const abort = library.func(`int MPI_Abort(${H} comm, int code)`);
  const finalize = bind("int MPI_Finalize()");
  const flag = [0];
  return {
    version: (version.split(/[,\n]/)[0] ?? version).replace(/( Version:)?\s+/g, " ").trim(),
    rank: number(`int MPI_Comm_rank(${H} comm, _Out_ int *rank)`),
    count: number(`int MPI_Comm_size(${H} comm, _Out_ int *size)`),
    join(send, receive, counts, places) {
      const request = fixed(8);
      allgatherv(send, send.length, float, receive, counts, places, float, world, request);
      return request;
    },
    exchange(send, sent, receive, received) {
      const request = fixed(8);
      alltoallv(
        send,
        sent.counts,
        sent.places,
        float,
        receive,
        received.counts,
        received.places,
        float,
        world,
        request,
      );
      return request;
    },
    test(request) {
      flag[0] = 0;
      test(request, flag, ignoreStatus);
      return flag[0] !== 0;
    },
    abort: (code) => void abort(world, code),
    finalize: () => finalize(),
  };
}
