import type { TensorGroup } from "./types.ts";

/**
 * A kind of network that the names of tensors speak for. A hint for people: nothing is decided by
 * it.
 */
export interface FamilyHint {
  readonly family: string;
  /** A name that speaks for it. */
  readonly because: string;
}

/**
 * Every pattern must be found. Names are those of arcface_torch, of CVLface and AdaFace, and of
 * foamliu's MobileFaceNet.
 */
const families: readonly (readonly [string, readonly RegExp[]])[] = [
  ["swin", [/(?:^|\.)relative_position_bias_table$/, /(?:^|\.)patch_embed\.proj\.weight$/]],
  [
    "vit (arcface_torch)",
    [/(?:^|\.)pos_embed$/, /(?:^|\.)blocks\.0\.attn\.qkv\.weight$/, /(?:^|\.)feature\.0\.weight$/],
  ],
  [
    "iresnet (arcface_torch)",
    [/(?:^|\.)layer1\.0\.bn1\.weight$/, /(?:^|\.)layer1\.0\.prelu\.weight$/, /(?:^|\.)fc\.weight$/],
  ],
  ["iresnet (CVLface, AdaFace)", [/(?:^|\.)input_layer\.0\.weight$/, /(?:^|\.)body\.0\.res_layer\.0\.weight$/]],
  ["mobilefacenet (arcface_torch)", [/(?:^|\.)layers\.0\.layers\.0\.weight$/, /(?:^|\.)conv_sep\.layers\.0\.weight$/]],
  ["mobilefacenet (foamliu)", [/(?:^|\.)gdconv\.depthwise\.weight$/, /(?:^|\.)dw_conv\.depthwise\.weight$/]],
  [
    "low-rank adapters (trainable_lora_*)",
    [/(?:^|\.)trainable_lora_down\.weight$/, /(?:^|\.)trainable_lora_up\.weight$/],
  ],
  [
    "twin low-rank adapters (trainable_lora_*2)",
    [/(?:^|\.)trainable_lora_down2\.weight$/, /(?:^|\.)trainable_lora_up2\.weight$/],
  ],
  ["low-rank adapter (PEFT)", [/(?:^|\.)lora_A(?:\.[^.]+)?\.weight$/, /(?:^|\.)lora_B(?:\.[^.]+)?\.weight$/]],
];

/** What the names of a group's tensors look like. */
export function familiesOf(group: TensorGroup): FamilyHint[] {
  const names = [...group.tensors.keys()];
  return families.flatMap(([family, patterns]) => {
    const found = patterns.map((pattern) => names.find((name) => pattern.test(name)));
    const [because] = found;
    return because === undefined || found.includes(undefined) ? [] : [{ family, because }];
  });
}
