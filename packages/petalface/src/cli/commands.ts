import type { Command } from "commander";
import type { CliContext } from "./context.ts";

/** Adds one command to the program. */
type Register = (program: Command, context: CliContext) => void;

/** A command, and what the list of all says of it without loading it. */
interface CommandEntry {
  /** The command's own description; a test holds them equal. */
  readonly about: string;
  readonly load: () => Promise<Register>;
}

/** Every command by name, in the order in which `petalface --help` lists them. */
const commands: Readonly<Record<string, CommandEntry>> = {
  adapt: {
    about: "train an adapter for low-resolution faces on a frozen model",
    load: async () => (await import("./commands/adapt/command.ts")).adaptCommand,
  },
  embed: {
    about: "write the embeddings of a set of faces, and a CSV with the face of each row",
    load: async () => (await import("./commands/embed/command.ts")).embedCommand,
  },
  evaluate: {
    about: "measure a model, and the effect of its adapter, on faces as given, low-resolution and mixed",
    load: async () => (await import("./commands/evaluate/command.ts")).evaluateCommand,
  },
  compare: {
    about: "compare results: which is better, by how much, and how certain that is; the first is the reference",
    load: async () => (await import("./commands/compare/command.ts")).compareCommand,
  },
  leaderboard: {
    about: "rank evaluated runs on a page, with intervals, protocols, commands and commits",
    load: async () => (await import("./commands/leaderboard/command.ts")).leaderboardCommand,
  },
  quality: {
    about:
      "measure the quality of faces: scores, histogram, alpha with an adapter; compare measures, also on known degradations",
    load: async () => (await import("./commands/quality/command.ts")).qualityCommand,
  },
  inspect: {
    about:
      "describe a model, checkpoint, run, adapter, data set or result; of a model, list the layers that can be adapted",
    load: async () => (await import("./commands/inspect/command.ts")).inspectCommand,
  },
  import: {
    about: "convert a PyTorch or safetensors checkpoint of a known network",
    load: async () => (await import("./commands/import/command.ts")).importCommand,
  },
  export: {
    about: "write model and adapter as one ONNX file to deploy, or the adapter in another project's form",
    load: async () => (await import("./commands/export/command.ts")).exportCommand,
  },
  "merge-adapters": {
    about: "add adapters of one model, each with its weight, to one adapter",
    load: async () => (await import("./commands/merge-adapters/command.ts")).mergeAdaptersCommand,
  },
  centre: {
    about: "centre an adapter on unlabelled crops of a camera; sharp faces keep their embeddings",
    load: async () => (await import("./commands/centre/command.ts")).centreCommand,
  },
  threshold: {
    about: "find the thresholds that give wanted false-accept rates, also by the quality of faces",
    load: async () => (await import("./commands/threshold/command.ts")).thresholdCommand,
  },
  data: {
    about: "convert sets of faces to MXNet's record files and back",
    load: async () => (await import("./commands/data/command.ts")).dataCommand,
  },
  gallery: {
    about: "enrol faces, say who a face is or that it is unknown, forget people, change the model",
    load: async () => (await import("./commands/gallery/command.ts")).galleryCommand,
  },
  serve: {
    about: "answer requests over HTTP: who is in a photo, enrol people; also as CompreFace does",
    load: async () => (await import("./commands/serve/command.ts")).serveCommand,
  },
  keys: {
    about: "make, list and revoke the keys that clients of `petalface serve` send",
    load: async () => (await import("./commands/keys/command.ts")).keysCommand,
  },
  watch: {
    about: "follow the faces of a camera or video, and say once who each is, as JSON lines",
    load: async () => (await import("./commands/watch/command.ts")).watchCommand,
  },
  align: {
    about: "detect faces in photos and videos and align them to the ArcFace template; no photo is dropped",
    load: async () => (await import("./commands/align/command.ts")).alignCommand,
  },
  work: {
    about: "take shards of bulk jobs from a queue in PostgreSQL; submit jobs and show how they stand",
    load: async () => (await import("./commands/work/command.ts")).workCommand,
  },
  degrade: {
    about: "write a degraded copy of a set of aligned faces, as from a bad camera, as PNG files",
    load: async () => (await import("./commands/degrade/command.ts")).degradeCommand,
  },
  copies: {
    about: "write low-resolution copies of enrolled photos, as extra photos of each person",
    load: async () => (await import("./commands/copies/command.ts")).copiesCommand,
  },
  models: {
    about: "list the models known by name, or fetch one",
    load: async () => (await import("./commands/models/command.ts")).modelsCommand,
  },
  demo: {
    about: "adapt a small model, measure the gain and export it; then compare other methods. Needs no data and no GPU",
    load: async () => (await import("./commands/demo/command.ts")).demoCommand,
  },
  reproduce: {
    about: "make a table of bench/results again, with the command that its page names",
    load: async () => (await import("./commands/reproduce/command.ts")).reproduceCommand,
  },
  doctor: {
    about: "check that this machine has everything that petalface needs; exit code 1 if not",
    load: async () => (await import("./commands/doctor/command.ts")).doctorCommand,
  },
};

/** Names of all commands. */
export const commandNames: readonly string[] = Object.keys(commands);

/** The line of a command in the list of all, for who asks for the list alone. */
const listed =
  (name: string, about: string): Register =>
  (program) => {
    program.command(name).description(about);
  };

/**
 * Loads the command that the arguments name, alone: that starts faster, and `doctor` must start
 * where the native libraries of the others do not load. Where none is named, help, a version or a
 * suggestion is wanted: their names and descriptions will do.
 */
export async function loadCommands(args: readonly string[]): Promise<Register[]> {
  const words = args.filter((arg) => !arg.startsWith("-"));
  const named = words[0] === "help" ? words[1] : words[0];
  const command = named !== undefined && Object.hasOwn(commands, named) ? commands[named] : undefined;
  if (command !== undefined) return [await command.load()];
  return Object.entries(commands).map(([name, { about }]) => listed(name, about));
}
