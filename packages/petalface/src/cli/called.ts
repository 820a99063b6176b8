/**
 * How petalface was called, to begin a command that a message shows: from a checkout, by `npx`, or
 * by its own name.
 *
 * @param file address of a file of petalface; a source ends in `.ts`
 */
export function calledAs(file: string = import.meta.url, env: NodeJS.ProcessEnv = process.env): string {
  if (file.endsWith(".ts")) return "npm run petalface --";
  return env.npm_command === "exec" ? "npx petalface" : "petalface";
}
