import { byId } from "./dom.ts";

/** Says what the page does, also to screen readers. */
export function say(text: string): void {
  const place = byId("state", HTMLElement);
  place.className = "";
  place.textContent = text;
}

/** Says what went wrong. */
export function failed(error: unknown): void {
  const place = byId("state", HTMLElement);
  place.className = "bad";
  place.textContent = error instanceof Error ? error.message : String(error);
}
