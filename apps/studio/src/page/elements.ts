/** The page's element of this id. Throws where index.html lacks it. */
export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`index.html has no ${type.name} "${id}"`);
  return found;
}

/** Writes a line for the reader; `bad` for what went wrong. */
export function say(id: string, text: string, bad = false): void {
  const line = element(id, HTMLElement);
  line.textContent = text;
  line.classList.toggle("bad", bad);
}

/** Offers bytes as a file to save. */
export function save(bytes: Uint8Array<ArrayBuffer>, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
