import type { Command } from "commander";
import { keepYoungGeneration, returnFreedMemory } from "../../../allocator.ts";
import { alignDefaults } from "../../../api/align/align.ts";
import { openGalleryModel } from "../../../api/gallery/model.ts";
import { openModel } from "../../../api/model.ts";
import { PetalfaceError } from "../../../errors.ts";
import { createLocator, openDetector, openLandmarker } from "../../../faces/index.ts";
import { readGivenFile } from "../../../files.ts";
import { openDescriber, openServedStore } from "../../../gallery/index.ts";
import { type Keep, openResources } from "../../../resources.ts";
import {
  decideOnServer,
  framesOf,
  isAddress,
  openPublisher,
  type ServerOptions,
  seeFaces,
  shownSource,
  trackerRules,
  type WatchEvent,
  type WatchOptions,
  watch,
} from "../../../watch/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { numeric } from "../../numbers.ts";
import { parseInteger } from "../../options.ts";
import { checkDecisions, withDecisionOptions } from "../gallery/decisions.ts";
import { withGalleryModel } from "../gallery/model.ts";
import { placeOf, withStore } from "../gallery/store.ts";
import { openDecider } from "./decider.ts";
import type { WatchFlags } from "./flags.ts";

/** `petalface watch SOURCE`: follows the faces of a camera and says once who each is. */
export function watchCommand(program: Command, context: CliContext): void {
  const command = program
    .command("watch")
    .description("follow the faces of a camera or video, and say once who each is, as JSON lines")
    .argument("<source>", "a folder of pictures that grows, a video file, or an address such as rtsp://CAMERA/stream")
    .requiredOption("--gallery <gallery>", "who is known: a gallery, or with --server its name there")
    .option("--camera <name>", "name of the camera in events", "camera")
    .option("--fps <n>", "frames a second that are looked at", numeric, 5)
    .option("--once", "end with the pictures that a folder has now, or when a stream breaks off")
    .option("--far", "also look for far faces, in tiles of the frame: several times slower")
    .option("--detector <file|name>", "SCRFD, YuNet, RetinaFace or UltraFace as ONNX", alignDefaults.detector)
    .option(
      "--landmarks <file|name|own>",
      "network for 68 landmarks that refines the points; own: the detector's points",
      alignDefaults.landmarks,
    )
    .option(
      "--frames <n>",
      "frames of a face after which it is decided who it is",
      parseInteger("--frames", 1, 1000),
      5,
    )
    .option("--min-frames <n>", "faces seen in fewer frames are passed over", parseInteger("--min-frames", 1, 1000), 3)
    .option("--lost <seconds>", "a face that is not seen for so long has left", numeric, 2);
  withDecisionOptions(command)
    .option("--server <http://...>", "ask a server of `petalface serve`; it gets embeddings and no pictures")
    .option("--key-file <file>", "file with the server's key; the variable PETALFACE_KEY unless given")
    .option("--mqtt <mqtt://...>", "also publish events to this broker, as Frigate does, and for Home Assistant")
    .option("--mqtt-prefix <topic>", "first part of the topics, such as frigate", "petalface")
    .option("--discovery <topic|none>", "Home Assistant's discovery topic", "homeassistant");
  withStore(withGalleryModel(command)).action((source: string, flags: WatchFlags) => run(source, flags, context));
  withExamples(
    command,
    "watch frames --gallery people.db --once",
    "watch rtsp://door.example/stream --gallery people.db --camera door --mqtt mqtt://broker.example",
    "watch door.mp4 --gallery people --server http://127.0.0.1:8080 --model fr_feature",
  );
}

/** Options that are out of range. Throws PetalfaceError (wrong usage). */
function check({ fps, lost, frames, minFrames, threshold, thresholds, server, model }: WatchFlags): void {
  const refuse = (why: string): never => {
    throw new PetalfaceError("PETAL_OPTION_INVALID", why);
  };
  if (!(fps > 0 && fps <= 100)) refuse("--fps is a number above 0, at most 100");
  if (!(lost > 0 && lost <= 3600)) refuse("--lost is a number of seconds above 0, at most 3600");
  if (minFrames > frames) refuse(`--min-frames ${minFrames} is more than --frames ${frames}`);
  if (server !== undefined && model === undefined)
    refuse("--server knows the gallery only: give its model with --model");
  if (server !== undefined && (threshold ?? thresholds) !== undefined)
    refuse("with --server the server's thresholds count; leave out --threshold and --thresholds");
}

async function run(source: string, flags: WatchFlags, context: CliContext): Promise<void> {
  keepYoungGeneration();
  await returnFreedMemory();
  check(flags);
  checkDecisions(flags);
  const { fps, camera, detector: detectorName, landmarks: landmarksName } = flags;
  await using open = openResources();
  const { decide, describer, enrolled } = await openRecogniser(flags, open.keep, context);
  const detector = open.keep(await openDetector(detectorName));
  const landmarks = landmarksName === "own" ? undefined : open.keep(await openLandmarker(landmarksName));
  if (!detector.hasPoints && landmarks === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${detectorName} gives boxes without points; --landmarks own needs a detector with points`,
    );
  const discovery = flags.discovery === "none" ? undefined : flags.discovery;
  const started = Date.now() / 1000;
  const publisher =
    flags.mqtt === undefined
      ? undefined
      : open.keep(
          await openPublisher(
            { address: flags.mqtt, prefix: flags.mqttPrefix, discovery, camera },
            started,
            context.note,
          ),
        );
  context.note(`watching ${shownSource(source)}${enrolled === undefined ? "" : `, ${enrolled} people enrolled`}`);
  const eyes = { detector, locator: createLocator(detector.kind, landmarks), describer, far: flags.far === true };
  const events: WatchEvent[] = [];
  const begin = performance.now();
  const summary = await watch(
    framesOf({ source, perSecond: fps, once: flags.once === true, signal: context.signal, note: context.note }),
    {
      camera,
      see: (pixels) => seeFaces(pixels, eyes),
      decide,
      enough: flags.frames,
      least: flags.minFrames,
      rules: { ...trackerRules, patience: Math.max(1, Math.round(flags.lost * fps)) },
      async onEvent(event) {
        context.print(JSON.stringify(event), true);
        if (context.json) events.push(event);
        await publisher?.publish(event).catch((error: Error) => context.noteOnce(`--mqtt: ${error.message}`));
      },
    },
  );
  const seconds = (performance.now() - begin) / 1000;
  const rate = summary.frames / seconds;
  const line = `${summary.frames} frames, ${summary.tracks} faces followed, ${summary.matches} known; ${rate.toFixed(1)} frames a second`;
  if (context.json) context.result({ source: shownSource(source), ...summary, seconds, events }, line);
  else context.note(line);
  // Ctrl-C is how a camera's watch ends, and still an interruption for whoever started it.
  if (isAddress(source) || flags.once !== true) context.signal.throwIfAborted();
}

/** Milliseconds that a change of the gallery would wait; a watch makes none. */
const changing = 1000;

interface Recogniser {
  readonly decide: WatchOptions["decide"];
  readonly describer: Awaited<ReturnType<typeof openDescriber>>;
  /** People who are enrolled; undefined where a server knows. */
  readonly enrolled: number | undefined;
}

/** The model, and who decides: a gallery here, or a server. */
async function openRecogniser(flags: WatchFlags, keep: Keep, context: CliContext): Promise<Recogniser> {
  const { server, model, adapter, gallery } = flags;
  if (server !== undefined && model !== undefined) {
    const opened = keep(await openModel({ ...flags, model, adapter }));
    const calibration = opened.adapter?.config.calibration ?? null;
    const describer = keep(await openDescriber(opened, calibration, opened.engine));
    const options: ServerOptions = { address: server, gallery, key: await keyOf(flags) };
    return { describer, enrolled: undefined, decide: (track) => decideOnServer(track, options) };
  }
  // In threads: while the gallery is read or locked, frames are still taken.
  const onLost = (reason: string): void => context.note(`${reason}; the next decision starts it again`);
  const store = keep(await openServedStore(placeOf(gallery, flags).address, { patience: changing, onLost }));
  const known = await openGalleryModel(store, flags);
  const describer = keep(await openDescriber(known.opened, known.calibration, known.engine));
  const decider = keep(await openDecider(store, known.engine, flags, context));
  return { describer, enrolled: (await store.people()).length, decide: decider.decide };
}

async function keyOf({ keyFile }: WatchFlags): Promise<string | undefined> {
  if (keyFile === undefined) return process.env.PETALFACE_KEY;
  try {
    return (await readGivenFile(keyFile)).toString().trim();
  } catch (cause) {
    throw new PetalfaceError("PETAL_KEYS_INVALID", `--key-file ${keyFile}: cannot be read`, { cause });
  }
}
