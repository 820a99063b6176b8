import { type Adapter, type AdapterConfig, findSites, initialTheta, layoutOf, selectSites } from "petalface/adapters";
import type { Backbone } from "petalface/backbones";

/**
 * An adapter whose weights are far from zero, so that what it does can be seen; sharp photos have
 * alpha 1 under its calibration, and photos of 16 px about 0.
 */
export async function drawnAdapter(backbone: Backbone): Promise<Adapter> {
  const { sites, unfit } = findSites(backbone.graph);
  const config: AdapterConfig = {
    ...({ method: "lora", gate: "low", rank: 8, scale: 1 } as const),
    sites: selectSites(sites, "default", unfit).map((site) => site.name),
    backbone: { name: backbone.spec.name, sha256: backbone.spec.sha256 },
    calibration: { measure: "sharpness", low: 2.7, high: 4.1 },
  };
  const start = await initialTheta(backbone, layoutOf(backbone, config), 1);
  return { config, theta: start.map((value, i) => value + 0.03 * Math.sin(12.9898 * i + 78.233)) };
}
