declare module "postject" {
  /** Puts a resource into an executable file, where Node finds it by its name. */
  export function inject(
    executable: string,
    resource: string,
    data: Buffer,
    options?: { readonly sentinelFuse?: string; readonly machoSegmentName?: string },
  ): Promise<void>;
}
