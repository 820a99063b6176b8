/** Writes the oracle's full-size Swin by formula, as safetensors or as PyTorch's zip: in a process of its own, so that its memory is gone when others are measured. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeTorchCheckpoint } from "petalface/checkpoints";
import { type FormulaTensor, formulaTensor, writeFormula } from "../../packages/petalface/test/support/formula.ts";
import { shared } from "../skeleton/shared.ts";

const [name = "", path = ""] = process.argv.slice(2);
const text = await readFile(join(shared, "oracle/full", `${name}.json`), "utf8");
const { state_dict: tensors } = JSON.parse(text) as { readonly state_dict: readonly FormulaTensor[] };
if (path.endsWith(".safetensors")) await writeFormula(path, tensors);
else
  await writeTorchCheckpoint(
    path,
    tensors.flatMap((tensor, number) =>
      tensor.kind === "as_built"
        ? []
        : [[tensor.name, { dtype: "F32" as const, shape: tensor.shape, data: formulaTensor(tensor, number) }] as const],
    ),
  );
