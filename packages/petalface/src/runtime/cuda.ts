import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** What of a machine decides whether CUDA can work on it. */
export interface CudaMachine {
  /** `platform/arch` as Node says them. */
  readonly system: string;
  /** Whether NVIDIA's driver is loaded. */
  readonly driver: boolean;
  /** Folder of the installed onnxruntime-node. */
  readonly package: string;
  /** Its version. */
  readonly version: string;
}

/** Any of these is there where NVIDIA's driver is, in containers and under WSL too. */
const driverFiles = ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg"];

/**
 * What to do to make CUDA work, the first thing that is missing. onnxruntime-node comes without
 * CUDA's part, which is too large for the npm registry; its own install script fetches the
 * libraries of the same version from the GPU package on NuGet (onnxruntime-node 1.30,
 * script/install-metadata.js).
 */
export function cudaAdvice(machine: CudaMachine = thisMachine()): string {
  const { system, driver, version } = machine;
  if (system !== "linux/x64")
    return "onnxruntime-node has CUDA only for Linux on x64; 'provider=webgpu' uses other GPUs";
  if (!driver) return "it needs an NVIDIA GPU with its driver, and CUDA 12 with cuDNN 9";
  const library = join(machine.package, "bin", "napi-v6", "linux", "x64", "libonnxruntime_providers_cuda.so");
  if (!existsSync(library)) {
    const script = join(machine.package, "script", "install.js");
    return (
      `fetch its libraries, those of onnxruntime ${version} from NuGet's Microsoft.ML.OnnxRuntime.Gpu.Linux, with ` +
      `\`node ${script} --onnxruntime-node-install\``
    );
  }
  return "its libraries are there; it needs CUDA 12 and cuDNN 9 where the loader finds them (LD_LIBRARY_PATH)";
}

function thisMachine(): CudaMachine {
  const manifest = createRequire(import.meta.url).resolve("onnxruntime-node/package.json");
  const { version } = createRequire(import.meta.url)(manifest) as { version: string };
  return {
    system: `${process.platform}/${process.arch}`,
    driver: driverFiles.some((file) => existsSync(file)),
    package: dirname(manifest),
    version,
  };
}
