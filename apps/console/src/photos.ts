import { counted, h } from "./dom.ts";

/** Photos that are sent at once; the server takes no more. */
const most = 32;

/**
 * A field for photos: chosen, dropped, or taken with the camera.
 *
 * @param take is called with photos, and may be called again
 */
export function photoField(label: string, take: (photos: File[]) => void): HTMLElement {
  const left = h("p", { class: "note", role: "status" });
  const give = (files: Iterable<File>): void => {
    const all = [...files];
    const images = all.filter(({ type }) => type.startsWith("image/"));
    left.textContent = leftOut(all.length, images.length);
    if (images.length > 0) take(images.slice(0, most));
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
  return h("div", { class: "photos" }, drop, button, camera, left);
}

/** What is not sent of some files, of which so many are pictures; nothing where all are. */
function leftOut(files: number, images: number): string {
  const others = files - images;
  return [
    ...(others === 0 ? [] : [`${counted(others, "file")} left out: no picture.`]),
    ...(images <= most ? [] : [`The first ${most} of ${images} photos are sent; give the others after them.`]),
  ].join(" ");
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
