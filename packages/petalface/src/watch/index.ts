export type { Decided, WatchEvent } from "./events.ts";
export { type Frame, type FrameOptions, framesOf, isAddress, newest, shownSource } from "./frames.ts";
export { announcement, type Message, type MqttOptions, messagesOf, openPublisher, type Publisher } from "./mqtt.ts";
export { seeFaces } from "./see.ts";
export { decideOnServer, type ServerOptions } from "./server.ts";
export {
  type FollowedFace,
  type FrameTime,
  follow,
  type SeenFace,
  type TrackerRules,
  trackerRules,
} from "./tracker.ts";
export { type WatchOptions, type WatchSummary, watch } from "./watch.ts";
