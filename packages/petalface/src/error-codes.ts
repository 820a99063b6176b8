/** What is known of one kind of error. */
export interface ErrorKind {
  /** What happened, one sentence. */
  readonly means: string;
  /** What the caller can do about it, one sentence. */
  readonly advice: string;
  /** Exit code of a command that ends with it: 1 unless given, 2 for wrong usage. */
  readonly exitCode?: 2;
}

/**
 * Every code of a {@link PetalfaceError}, by subject. `docs/errors.md` is made from this table. A
 * code names what the caller can do something about, not the line that failed: messages say that.
 */
export const errorKinds = {
  PETAL_OPTION_INVALID: {
    means: "An option or argument is missing, unknown, has a value that is not allowed, or contradicts another one.",
    advice: "Give the option as the message says; docs/options.md and the command's help list all of them.",
    exitCode: 2,
  },
  PETAL_OPTION_UNFIT: {
    means: "An option is right in itself, but this model, adapter, data set or run does not allow it.",
    advice: "Leave the option out, or give it the value that the message names.",
  },
  PETAL_ARGUMENT_INVALID: {
    means: "Arrays, lists or counts that a program gave to a call of the library do not fit each other.",
    advice: "Correct the calling program; the command line does not cause this.",
  },

  PETAL_DATA_MISSING: {
    means: "A photo, folder, list or manifest does not exist, or holds no faces.",
    advice: "Check the path, and that the folder has photos with a known file ending.",
  },
  PETAL_DATA_DAMAGED: {
    means: "A photo, record file, list or manifest cannot be read, or does not have the expected form.",
    advice: "Repair or remove the file or the line that the message names.",
  },
  PETAL_DATA_UNFIT: {
    means: "The data can be read, but not be used for this: too few people, unknown names, or the wrong kind of set.",
    advice: "Give other data, or bring them into the form that the message names.",
  },
  PETAL_DATA_UNALIGNED: {
    means: "Photos were given where aligned faces are needed.",
    advice: "Align them first with `petalface align`.",
  },

  PETAL_MODEL_MISSING: {
    means: "There is no model or checkpoint of this name or at this path.",
    advice: "Check the path; `petalface models` lists the known names.",
  },
  PETAL_MODEL_DAMAGED: {
    means: "The file is not a whole ONNX model.",
    advice: "Export, copy or download the model again.",
  },
  PETAL_MODEL_UNSUPPORTED: {
    means: "The model can be read, but it is not a face recogniser that petalface can use, or not in this way.",
    advice: "Export the model again as the message says, or choose another one.",
  },
  PETAL_CHECKPOINT_DAMAGED: {
    means: "A PyTorch or safetensors file is incomplete or inconsistent.",
    advice: "Copy or download the file again.",
  },
  PETAL_CHECKPOINT_UNSUPPORTED: {
    means: "A checkpoint is of a kind or a network that is not known.",
    advice: "Name the network, or save the checkpoint again as the message says.",
  },
  PETAL_CHECKPOINT_UNSAFE: {
    means: "A checkpoint would run code, or take far more memory than its weights need. Nothing of it was run.",
    advice: "Do not open the file; ask its author for safetensors.",
  },

  PETAL_ADAPTER_MISSING: {
    means: "The folder holds no adapter.",
    advice: "Give a run or an adapter folder.",
  },
  PETAL_ADAPTER_DAMAGED: {
    means: "The files of an adapter are incomplete or damaged.",
    advice: "Copy its folder again, or train again.",
  },
  PETAL_ADAPTER_MISMATCH: {
    means: "The adapter was trained on another model, or on this one with another preprocessing.",
    advice: "Give the adapter's own model, with the options that the message names.",
  },
  PETAL_QUALITY_UNFIT: {
    means: "The quality measure has no weights, no scores, or cannot tell these sharp faces from degraded ones.",
    advice: "Use another measure or other faces, or give the range of alpha yourself.",
  },
  PETAL_NOT_FINITE: {
    means: "Weights, scores or embeddings are NaN or infinite.",
    advice: "Check the model, its preprocessing and the picture that the message names.",
  },

  PETAL_TRAINING_DIVERGED: {
    means: "The loss or the weights are no longer finite, or the loss stays far above its usual value.",
    advice: "Lower the learning rate and continue from the last checkpoint.",
  },
  PETAL_RUN_MISSING: {
    means: "The folder is not a run.",
    advice: "Give the folder that `adapt` wrote.",
  },
  PETAL_RUN_DAMAGED: {
    means: "The files of a run are damaged, or from other options.",
    advice: "Copy the run again, or start a new one.",
  },
  PETAL_RUN_MISMATCH: {
    means: "A run is continued with another model, data set, validation or measure than it was started with.",
    advice: "Give what the run was started with, or start a new run.",
  },
  PETAL_RESULT_INVALID: {
    means: "A result of an evaluation, or a file of thresholds, is missing or damaged.",
    advice: "Measure again.",
  },
  PETAL_RESULT_MISMATCH: {
    means: "Results that were measured on different pairs or faces are compared.",
    advice: "Measure all of them on the same protocol.",
  },

  PETAL_FILE_PLACEHOLDER: {
    means: "A file is a Git LFS pointer or a web page that stands in the place of the real file.",
    advice: "Fetch the real file, for example with `git lfs pull`.",
  },
  PETAL_OUTPUT_EXISTS: {
    means: "The output would replace a file or fill a folder that something else made.",
    advice: "Give another name, or a new folder.",
  },
  PETAL_OUTPUT_FAILED: {
    means: "A file or folder cannot be written.",
    advice: "Free some space, or change the permissions or the place.",
  },
  PETAL_BUSY: {
    means: "Another process is writing the same folder or gallery.",
    advice: "Wait for that process or stop it, then try again.",
  },

  PETAL_GALLERY_MISSING: {
    means: "There is no gallery at this path.",
    advice: "Check the path, or make the gallery with `petalface gallery create`.",
  },
  PETAL_GALLERY_DAMAGED: {
    means: "The file is not a gallery, or it is damaged, or a newer petalface made it.",
    advice: "Restore the gallery from a copy or an export.",
  },
  PETAL_GALLERY_MISMATCH: {
    means: "The gallery belongs to another model, adapter or embedding space.",
    advice: "Give the gallery's own model, or change the gallery with `petalface gallery migrate`.",
  },
  PETAL_PERSON_UNKNOWN: {
    means: "The gallery has no person of this name, or nothing says who is on a face.",
    advice: "Check the name; `petalface gallery list` prints all of them.",
  },

  PETAL_DATABASE_FAILED: {
    means: "PostgreSQL cannot be reached, or refuses the operation.",
    advice: "Start the server, correct the address, or ask its administrator, as the message says.",
  },
  PETAL_KEYS_INVALID: {
    means: "The server's file of keys is missing or damaged, or it has no such key.",
    advice: "Check the path; `petalface keys add` makes the file.",
  },
  PETAL_SERVER_FAILED: {
    means: "The server cannot start: its address is taken or not allowed, or its certificate cannot be read.",
    advice: "Give another address or port, or correct the files of the certificate.",
  },

  PETAL_JOB_MISSING: {
    means: "The queue has no job of this id, or a job lacks what its kind needs.",
    advice: "Check the id; `petalface work status` lists all jobs.",
  },
  PETAL_JOB_MISMATCH: {
    means: "This machine sees another set or another model than a job was submitted with, or lost the job's lease.",
    advice: "Bring the files to the same state on every machine, then let the shard be tried again.",
  },
  PETAL_RANKS_DIFFER: {
    means: "Processes that train together were given different options, models, faces or versions.",
    advice: "Start all of them with the same command, files and versions.",
    exitCode: 2,
  },
  PETAL_RANKS_FAILED: {
    means: "The processes that train together cannot exchange numbers: MPI is missing, or one of its calls failed.",
    advice: "Install the MPI that the launcher belongs to, or name its library, as the message says.",
  },
  PETAL_ENGINE_FAILED: {
    means: "The engine, onnxruntime, does not load, or cannot run this model on this provider.",
    advice: "Use another provider; `petalface doctor` says what this machine has.",
  },
  PETAL_THREAD_ENDED: {
    means: "A thread of the process ended by itself before it had answered, for example for want of memory.",
    advice: "Try again; where it happens again, use fewer threads or smaller photos, or give the machine more memory.",
  },
  PETAL_PROGRAM_MISSING: {
    means: "A program that this needs is not installed or too old, such as ffmpeg or Node.",
    advice: "Install the program that the message names.",
  },
  PETAL_DOWNLOAD_FAILED: {
    means: "A model cannot be fetched from the npm registry, or is not the expected file.",
    advice: "Check the connection and the registry, or put the file in place by hand.",
  },
  PETAL_SYSTEM_FAILED: {
    means: "The operating system refused an operation; the message has its own words.",
    advice: "Follow the system's message.",
  },
  PETAL_INTERRUPTED: {
    means: "The work was stopped by a signal or by the caller. What was finished is kept.",
    advice: "Run the command again to continue.",
  },
  PETAL_INTERNAL: {
    means: "This is a fault of petalface itself.",
    advice: "Run the command again with 'debug', and report what it prints.",
  },
} as const satisfies Readonly<Record<string, ErrorKind>>;

/** The code of an error: which kind it is, the same in every version of petalface. */
export type ErrorCode = keyof typeof errorKinds;
