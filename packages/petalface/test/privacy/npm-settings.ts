/** Reads npm's settings as petalface does before it fetches a model. */
import { registryOptions } from "../../src/models/registry.ts";

console.log(Object.keys(await registryOptions()).includes("registry"));
