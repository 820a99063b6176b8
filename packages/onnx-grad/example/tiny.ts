/**
 * Trains a network of one hidden layer to tell two rings of points apart, with plain gradient
 * descent on onnxruntime.
 */
import { differentiate, encodeModel, GraphBuilder, ops } from "onnx-grad";
import { InferenceSession, Tensor } from "onnxruntime-node";

// Read when the first session is opened: onnxruntime sends telemetry otherwise.
process.env.ORT_DISABLE_TELEMETRY = "1";

const [points, hidden] = [64, 16];
const size = hidden * 2 + hidden + hidden;

// The forward pass and the loss. All that is trained comes in as one flat vector.
const b = new GraphBuilder({ name: "rings", opset: 18 });
const o = ops(b);
const x = b.input("x", { dtype: "float32", shape: [points, 2] });
const label = b.input("label", { dtype: "float32", shape: [points, 1] });
const theta = b.input("theta", { dtype: "float32", shape: [size] });
const [first, bias, second] = o.split(theta, [hidden * 2, hidden, hidden]) as [string, string, string];
const features = o.tanh(o.add(o.matmul(x, o.reshape(first, [2, hidden])), bias));
const score = o.matmul(features, o.reshape(second, [hidden, 1]));
const miss = o.sub(o.sigmoid(score), label);
const loss = o.reduceMean(o.mul(miss, miss), undefined, false);

// A bigger ONNX graph that also computes the gradient. Any onnxruntime runs it.
const graph = differentiate(b.build([loss]), { loss, wrt: [theta], names: ["gradient"] });
const session = await InferenceSession.create(encodeModel(graph), { intraOpNumThreads: 1 });

const angle = (i: number) => (i * 2 * Math.PI) / (points / 2);
const radius = (i: number) => (i < points / 2 ? 0.5 : 1.5);
const data = Array.from({ length: points }, (_, i) => [radius(i) * Math.cos(angle(i)), radius(i) * Math.sin(angle(i))]);
const feeds = {
  x: new Tensor("float32", Float32Array.from(data.flat()), [points, 2]),
  label: new Tensor(
    "float32",
    Float32Array.from(data, (_, i) => Number(i < points / 2)),
    [points, 1],
  ),
};

const weights = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 12.9898 + 1));
for (let step = 0; step <= 600; step++) {
  const result = await session.run({ ...feeds, theta: new Tensor("float32", weights, [size]) });
  const gradient = result.gradient?.data as Float32Array;
  for (const [i, slope] of gradient.entries()) weights[i] = (weights[i] as number) - 2 * slope;
  if (step % 200 === 0) console.log(`step ${step}: loss ${Number(result[loss]?.data[0]).toFixed(4)}`);
}
