import { type Constant, writeModel } from "onnx-grad";
import { architectureKey, buildNetwork, fillNetwork, parseArchitecture } from "../../src/backbones/index.ts";
import { preprocessingMetadata } from "../../src/models/index.ts";
import { random } from "../../src/random.ts";

/** Small networks of the released code's families, as `--arch` names them. */
export const smallSwin = "swin:image=30,patch=3,dims=8/16,depths=2/2,heads=2/2,window=5,embedding=8";
export const smallVit = "vit:image=24,patch=6,dim=16,depth=2,heads=2,embedding=8";

/**
 * Writes a network with random weights, its batch normalisations not folded, as `petalface import`
 * writes one.
 */
export async function writeNetworkFile(path: string, spec: string): Promise<void> {
  const network = buildNetwork(parseArchitecture(spec).architecture);
  const stream = random("network file", 1);
  const weight = (name: string): Constant => {
    const dims = network.tensors.get(name) ?? [];
    const size = dims.reduce((product, dim) => product * dim, 1);
    const fanIn = Math.max(1, size / (dims[0] ?? 1));
    const centre = /running_var$|norm.*weight$|feature.*\.[013]\.weight$/.test(name) && dims.length === 1 ? 1 : 0;
    const spread = dims.length > 1 ? 1 / Math.sqrt(fanIn) : 0.1;
    return {
      dtype: "float32",
      dims,
      data: Float32Array.from({ length: size }, () => centre + spread * stream.normal()),
    };
  };
  const filled = fillNetwork(network, weight);
  const maskToken = Float32Array.from({ length: 16 }, () => 0.1 * stream.normal());
  const metadata = new Map([
    ...Object.entries(
      preprocessingMetadata({ mean: [127.5, 127.5, 127.5], scale: [1 / 127.5, 1 / 127.5, 1 / 127.5], channels: "rgb" }),
    ),
    [architectureKey, spec] as const,
    ["petalface.training.mask_token", Buffer.from(maskToken.buffer).toString("base64")] as const,
  ]);
  const constants = new Map([...filled.constants].filter(([name]) => name !== "mask_token"));
  await writeModel({ ...filled, constants, metadata }, path);
}
