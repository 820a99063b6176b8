import { h } from "./dom.ts";

/** Photos that are sent at once; more are cut off by the server. */
const most = 32;

/**
 * A field for photos: chosen, dropped, or taken with the camera.
 *
 * @param take is called with photos, and may be called again
 */
export function photoField(label: string, take: (photos: File[]) => void): HTMLElement {
  const give = (files: Iterable<File>): void => {
    const photos = [...files].filter(({ type }) => type.startsWith("image/")).slice(0, most);
    if (photos.length > 0) take(photos);
  };
  const input = h("input", { type: "file", accept: "image/*", multiple: true });
  input.addEventListener("change", () => {
    give(input.files ?? []);
    input.value = "";
  });
  const drop = h("label", { class: "drop" }, input, h("span", {}, label));
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    give(event.dataTransfer?.files ?? []);
  });
  const camera = h("div", { class: "camera" });
  const button = h(
    "button",
    { type: "button", onclick: () => void openCamera(camera, button, give) },
    "Use the camera",
  );
  return h("div", { class: "photos" }, drop, button, camera);
}

async function openCamera(
  place: HTMLElement,
  button: HTMLButtonElement,
  give: (photos: File[]) => void,
): Promise<void> {
  button.disabled = true;
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
  } catch {
    place.replaceChildren(
      h(
        "p",
        { class: "bad", role: "alert" },
        "The camera cannot be used: there is none, or the browser was not allowed to.",
      ),
    );
    button.disabled = false;
    return;
  }
  const video = h("video", { autoplay: true, playsinline: true, "aria-label": "Picture of the camera" });
  video.muted = true;
  video.srcObject = stream;
  const close = (): void => {
    for (const track of stream.getTracks()) track.stop();
    place.replaceChildren();
    button.disabled = false;
    button.focus();
  };
  const shoot = (): void => {
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    canvas.toBlob((blob) => {
      if (blob !== null) give([new File([blob], "camera.jpg", { type: "image/jpeg" })]);
    }, "image/jpeg");
  };
  const take = h("button", { type: "button", class: "main", onclick: shoot }, "Take a photo");
  place.replaceChildren(
    video,
    h("div", { class: "row" }, take, h("button", { type: "button", onclick: close }, "Close the camera")),
  );
  take.focus();
  // The page's part is left: the camera is not kept on.
  addEventListener("hashchange", close, { once: true });
}
