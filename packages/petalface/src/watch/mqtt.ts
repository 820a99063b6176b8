import type { MqttClient } from "mqtt";
import { PetalfaceError, systemCode } from "../errors.ts";
import type { WatchEvent } from "./events.ts";

/** Where and how events are published. */
export interface MqttOptions {
  /** mqtt://HOST[:PORT] or mqtts://; user name and password may be in it. */
  readonly address: string;
  /** First part of the topics, as Frigate's topic_prefix. */
  readonly prefix: string;
  /** First part of Home Assistant's discovery topics; undefined: nothing is announced there. */
  readonly discovery: string | undefined;
  readonly camera: string;
}

/** One message. */
export interface Message {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

/** Publishes events; close it after use. */
export interface Publisher extends AsyncDisposable {
  /**
   * Waits until the broker has an event. While the connection is broken it waits for nothing: the
   * last {@link mostWaiting} messages are sent once the broker is back.
   */
  publish(event: WatchEvent): Promise<void>;
}

/** Messages that are kept for a broker that is away. */
const mostWaiting = 1000;

/** Letters that a topic or an id of Home Assistant may have. */
const plain = (text: string): string => text.replaceAll(/[^A-Za-z0-9_-]/g, "_");

const availability = ({ prefix }: MqttOptions): string => `${prefix}/available`;
const personTopic = ({ prefix, camera }: MqttOptions): string => `${prefix}/${plain(camera)}/last_recognized_face`;

/**
 * What is announced at the start, retained: that the watch is there, and for Home Assistant a
 * sensor with the last person (https://www.home-assistant.io/integrations/mqtt, MQTT discovery).
 */
export function announcement(options: MqttOptions): Message[] {
  const { discovery, camera } = options;
  const online = { topic: availability(options), payload: "online", retain: true };
  if (discovery === undefined) return [online];
  const id = `petalface_${plain(camera)}`;
  const config = {
    name: "Last recognized face",
    unique_id: `${id}_last_recognized_face`,
    state_topic: personTopic(options),
    json_attributes_topic: `${personTopic(options)}/attributes`,
    availability_topic: availability(options),
    icon: "mdi:face-recognition",
    device: { identifiers: [id], name: `petalface ${camera}`, manufacturer: "petalface" },
  };
  const topic = `${discovery}/sensor/${id}/last_recognized_face/config`;
  return [online, { topic, payload: JSON.stringify(config), retain: true }];
}

/**
 * An event as messages: Frigate's `events` and `tracked_object_update`
 * (https://docs.frigate.video/integrations/mqtt), the whole event, and the name for Home Assistant.
 *
 * @param started seconds since 1970 at which the first frame was taken
 */
export function messagesOf(event: WatchEvent, options: MqttOptions, started: number): Message[] {
  const { prefix } = options;
  const { camera, person, cosine, type } = event;
  const id = `${(started + event.first).toFixed(6)}-${event.track}`;
  const message = (topic: string, payload: unknown, retain = false): Message => ({
    topic,
    payload: typeof payload === "string" ? payload : JSON.stringify(payload),
    retain,
  });
  const about = {
    id,
    camera,
    label: "face",
    sub_label: person === null ? null : [person, cosine],
    frame_time: started + event.last,
    start_time: started + event.first,
    end_time: type === "left" ? started + event.last : null,
    false_positive: false,
    score: event.confidence,
    top_score: event.confidence,
    box: event.box.map(Math.round),
  };
  const own = [
    message(`${prefix}/${plain(camera)}/faces`, event),
    message(`${prefix}/events`, { type: type === "left" ? "end" : "new", before: about, after: about }),
  ];
  if (type === "left") return [...own, message(personTopic(options), "None", true)];
  const timestamp = started + event.last;
  const name = person ?? "unknown";
  return [
    ...own,
    message(`${prefix}/tracked_object_update`, { type: "face", id, name, score: cosine ?? 0, camera, timestamp }),
    message(personTopic(options), name, true),
    message(`${personTopic(options)}/attributes`, event, true),
  ];
}

/**
 * Connects to a broker and announces itself; the broker says "offline" for it where the connection
 * breaks.
 *
 * @param started seconds since 1970 at which the first frame was taken
 * @param note takes one line when the connection breaks, and one when it is back
 * @throws PetalfaceError where the broker cannot be reached or refuses
 */
export async function openPublisher(
  options: MqttOptions,
  started: number,
  note: (line: string) => void = () => {},
): Promise<Publisher> {
  const gone = { topic: availability(options), payload: Buffer.from("offline"), qos: 1 as const, retain: true };
  // Loaded only where it is asked for.
  const { connectAsync } = await import("mqtt");
  let client: MqttClient;
  const shown = options.address.replace(/\/\/[^/@]*@/, "//");
  try {
    client = await connectAsync(options.address, { will: gone, connectTimeout: 10_000 }, false);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message || String(systemCode(cause)) : String(cause);
    throw new PetalfaceError("PETAL_SYSTEM_FAILED", `the broker ${shown} cannot be reached: ${why}`, { cause });
  }
  const send = async (messages: readonly Message[]): Promise<void> => {
    for (const { topic, payload, retain } of messages) await client.publishAsync(topic, payload, { qos: 1, retain });
  };
  const kept: Message[] = [];
  let isClosing = false;
  let isAway = false;
  // Each try to connect again that fails is an error; the client continues to try.
  client.on("error", () => undefined);
  client.on("close", () => {
    if (isClosing || isAway) return;
    isAway = true;
    note(`the broker ${shown} has gone; connecting to it again`);
  });
  client.on("connect", () => {
    isAway = false;
    note(`the broker ${shown} is back`);
    // It has said "offline" for this watch.
    const messages = [...announcement(options), ...kept.splice(0)];
    send(messages).catch((error: Error) => {
      if (!isClosing) note(`the broker ${shown} refuses messages: ${error.message}`);
    });
  });
  await send(announcement(options));
  return {
    async publish(event) {
      const messages = messagesOf(event, options, started);
      if (!client.connected) {
        kept.push(...messages);
        kept.splice(0, kept.length - mostWaiting);
        return;
      }
      const sent = send(messages);
      // What is on its way when the connection breaks is sent again by the client.
      sent.catch(() => undefined);
      let onClose = (): void => {};
      const broken = new Promise<void>((resolve) => {
        onClose = resolve;
        client.once("close", onClose);
      });
      await Promise.race([sent, broken]).finally(() => client.off("close", onClose));
    },
    async [Symbol.asyncDispose]() {
      isClosing = true;
      if (client.connected)
        await send([{ topic: availability(options), payload: "offline", retain: true }]).catch(() => undefined);
      await client.endAsync(!client.connected);
    },
  };
}
