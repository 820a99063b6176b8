import { accessSync } from "node:fs";
import { join } from "node:path";

/** Where Debian's chromium keeps the Vulkan loader and SwiftShader, a Vulkan device in software. */
const folders = ["/usr/lib/chromium", "/usr/lib64/chromium-browser"];

const complete = (folder: string): boolean => {
  try {
    for (const file of ["libvulkan.so.1", "libvk_swiftshader.so", "vk_swiftshader_icd.json"])
      accessSync(join(folder, file));
    return true;
  } catch {
    return false;
  }
};

const folder = folders.find(complete);

/**
 * The environment in which a process finds SwiftShader as its only Vulkan device, or undefined
 * where chromium is not installed. The dynamic linker reads it when a process starts, so only child
 * processes can have it.
 */
export const swiftshader: Readonly<Record<string, string>> | undefined =
  folder === undefined
    ? undefined
    : {
        LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":"),
        VK_DRIVER_FILES: join(folder, "vk_swiftshader_icd.json"),
        VK_ICD_FILENAMES: join(folder, "vk_swiftshader_icd.json"),
      };

/** The environment of a process that finds no Vulkan device. */
export const noDevice: Readonly<Record<string, string>> = { VK_DRIVER_FILES: "/nowhere", VK_ICD_FILENAMES: "/nowhere" };

/** Ends the name of a test that needs SwiftShader. */
export const needsSwiftshader = swiftshader ? "" : " (skipped: needs Debian's chromium for its SwiftShader)";
