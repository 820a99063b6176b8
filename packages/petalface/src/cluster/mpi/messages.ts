import type { Layout } from "./abi.ts";

/** A collective operation that the thread of MPI is asked for. Numbers lie in shared memory. */
export type Transfer =
  | {
      readonly kind: "join";
      readonly send: Float32Array;
      readonly receive: Float32Array;
      readonly received: Layout;
    }
  | {
      readonly kind: "exchange";
      readonly send: Float32Array;
      readonly sent: Layout;
      readonly receive: Float32Array;
      readonly received: Layout;
    };

/** How a rank ended that did not reach its end. */
export interface Failure {
  /** For stderr, without a leading name. */
  readonly message: string;
  readonly exitCode: number;
}

/** How a rank ends once a failure was announced. */
export interface Ending {
  readonly exitCode: number;
  /**
   * Whether every rank has failed and none of them waits in a transfer: then all of them can end
   * MPI as after a success, and the launcher takes their exit code.
   */
  readonly together: boolean;
}

/** How the ranks reach rank 0 or 1 outside of MPI, to see which one dies. */
export interface Meeting {
  readonly addresses: readonly string[];
  readonly port: number;
  /** Kept from other programs: who does not know it is not listened to. */
  readonly secret: string;
}

/** Asked of the thread that makes all calls of MPI. */
export type Request = { readonly id: number } & (
  | Transfer
  | { readonly kind: "meet"; readonly hosts: readonly string[] }
  | { readonly kind: "watch"; readonly meetings: readonly Meeting[] }
  | { readonly kind: "hint"; readonly hint: string }
  | { readonly kind: "fail"; readonly failure: Failure }
  | { readonly kind: "close" }
);

/** What it answers. */
export type Answer =
  | { readonly kind: "ready"; readonly rank: number; readonly count: number; readonly version: string }
  | { readonly kind: "done"; readonly id: number; readonly value?: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };
