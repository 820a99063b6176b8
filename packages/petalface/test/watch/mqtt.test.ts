import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Aedes } from "aedes";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openPublisher, type WatchEvent } from "../../src/watch/index.ts";

let broker: Aedes;
let server: Server;
let address: string;
const sockets = new Set<Socket>();
const sent: { readonly topic: string; readonly payload: string; readonly retain: boolean }[] = [];

beforeEach(async () => {
  sent.length = 0;
  sockets.clear();
  broker = await Aedes.createBroker();
  broker.on("publish", ({ topic, payload, retain }) => {
    if (!topic.startsWith("$SYS")) sent.push({ topic, payload: payload.toString(), retain });
  });
  server = createServer((socket) => {
    sockets.add(socket);
    broker.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const place = server.address();
  address = `mqtt://127.0.0.1:${typeof place === "object" ? place?.port : 0}`;
});
afterEach(async () => {
  await new Promise<void>((resolve) => broker.close(() => resolve()));
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

const event: WatchEvent = {
  type: "decided",
  camera: "front door",
  track: 3,
  first: 1.5,
  last: 2.5,
  frames: 5,
  box: [10.2, 20, 50, 60.7],
  confidence: 0.9,
  decision: "match",
  reason: null,
  person: "Ada",
  cosine: 0.6,
  threshold: 0.3,
  falseAcceptRate: { rate: 0.002, below: false, interval: [0.001, 0.004], impostors: 2048 },
  alpha: 0.8,
};
const started = 1_700_000_000;
const of = (topic: string) => sent.filter((message) => message.topic === topic);
const documentOf = (topic: string) => JSON.parse(of(topic).at(-1)?.payload ?? "null");

describe("events at a real broker", () => {
  it("have Frigate's topics and fields", async () => {
    {
      await using publisher = await openPublisher(
        { address, prefix: "frigate", discovery: undefined, camera: "front door" },
        started,
      );
      await publisher.publish(event);
      await publisher.publish({ ...event, type: "left", last: 4 });
    }
    const id = "1700000001.500000-3";
    expect(documentOf("frigate/tracked_object_update")).toEqual({
      type: "face",
      id,
      name: "Ada",
      score: 0.6,
      camera: "front door",
      timestamp: 1_700_000_002.5,
    });
    const events = of("frigate/events").map(({ payload }) => JSON.parse(payload));
    expect(events.map(({ type }) => type)).toEqual(["new", "end"]);
    expect(events[0].after).toMatchObject({
      id,
      camera: "front door",
      label: "face",
      sub_label: ["Ada", 0.6],
      end_time: null,
      start_time: 1_700_000_001.5,
      box: [10, 20, 50, 61],
    });
    expect(events[1].after.end_time).toBe(1_700_000_004);
    expect(of("frigate/available").map(({ payload }) => payload)).toEqual(["online", "offline"]);
    expect(sent.some(({ topic }) => topic.startsWith("homeassistant"))).toBe(false);
    expect(documentOf("frigate/front_door/faces")).toMatchObject({ type: "left", person: "Ada" });
  });

  it("announce a sensor that Home Assistant finds, and its state", async () => {
    await using publisher = await openPublisher(
      { address, prefix: "petalface", discovery: "homeassistant", camera: "front door" },
      started,
    );
    await publisher.publish({ ...event, decision: "unknown", person: null, cosine: 0.1 });
    const config = "homeassistant/sensor/petalface_front_door/last_recognized_face/config";
    expect(of(config)[0]?.retain).toBe(true);
    const sensor = documentOf(config);
    expect(sensor).toMatchObject({
      availability_topic: "petalface/available",
      device: { name: "petalface front door" },
    });
    expect(of(sensor.state_topic).at(-1)).toMatchObject({ payload: "unknown", retain: true });
    expect(documentOf(sensor.json_attributes_topic)).toMatchObject({ decision: "unknown", threshold: 0.3 });
    await publisher.publish({ ...event, type: "left" });
    expect(of(sensor.state_topic).at(-1)?.payload).toBe("None");
  });

  it("say offline where the connection breaks", async () => {
    const publisher = await openPublisher({ address, prefix: "petalface", discovery: undefined, camera: "c" }, started);
    for (const socket of sockets) socket.destroy();
    for (let i = 0; i < 100 && of("petalface/available").length < 2; i++) await sleep(20);
    expect(of("petalface/available")[1]?.payload).toBe("offline");
    await publisher[Symbol.asyncDispose]();
  });
});

it("a broker that stops and comes back: the watch goes on, and its last events arrive", async () => {
  const lines: string[] = [];
  const options = { address, prefix: "petalface", discovery: undefined, camera: "c" };
  const publisher = await openPublisher(options, started, (line) => lines.push(line));
  const { port } = new URL(address);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  await closed;
  await expect.poll(() => lines).toEqual([`the broker ${address} has gone; connecting to it again`]);
  // Nobody listens there; this waits for nothing.
  await publisher.publish(event);
  await publisher.publish({ ...event, type: "left" });
  // The client tries every second: at least one try is refused.
  await sleep(1100);
  await new Promise<void>((resolve) => server.listen(Number(port), "127.0.0.1", resolve));
  await expect
    .poll(() => of("petalface/c/last_recognized_face").map(({ payload }) => payload))
    .toEqual(["Ada", "None"]);
  expect(of("petalface/available").map(({ payload }) => payload)).toEqual(["online", "offline", "online"]);
  expect(lines.at(-1)).toBe(`the broker ${address} is back`);
  await publisher.publish(event);
  expect(of("petalface/c/last_recognized_face").at(-1)?.payload).toBe("Ada");
  await publisher[Symbol.asyncDispose]();
  expect(of("petalface/available").at(-1)?.payload).toBe("offline");
});

it("does not wait for a broker that is away at the end", async () => {
  const options = { address, prefix: "petalface", discovery: undefined, camera: "c" };
  const publisher = await openPublisher(options, started);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  await closed;
  await publisher.publish(event);
  await publisher[Symbol.asyncDispose]();
  server.listen(0, "127.0.0.1");
});

it("says in one line that there is no broker, without the password", async () => {
  const options = { prefix: "petalface", discovery: undefined, camera: "c" };
  const wrong = openPublisher({ ...options, address: "mqtt://me:secret@127.0.0.1:9" }, started);
  await expect(wrong).rejects.toThrow(/^the broker mqtt:\/\/127\.0\.0\.1:9 cannot be reached: /);
});
