"""Makes probes for tests as cameras would: python chain.py JOB.json

An independent chain: OpenCV, NumPy and ffmpeg, nothing of petalface. JOB.json has
  {"out": folder, "seed": n, "detector": yunet.onnx, "kinds": [...],
   "faces": [{"id": "NAME/NAME_0002", "file": path of an aligned 112 x 112 photo}, ...]}
and the result is OUT/KIND/ID.png (112 x 112, aligned again at low resolution; `still`: OUT/KIND/ID.jpg
of 12 to 20 pixels a side) and OUT/KIND.json with the side in pixels of every face.
"""

import json
import os
import subprocess
import sys
import zlib

import cv2
import numpy as np

SIDE = 112
# The five points of the template that the photos are aligned to (ArcFace's, at 112 px).
TEMPLATE = np.float32(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
# A face is placed in a cell of this many times its side.
ROOM = 2.5


def stream(seed, *parts):
    """Random numbers that depend on these names alone."""
    return np.random.default_rng([seed, zlib.crc32("/".join(map(str, parts)).encode())])


def scene_of(photo):
    """The photo with surroundings: its edge, repeated and more and more blurred, so that no border is seen."""
    pad = SIDE
    wide = cv2.copyMakeBorder(photo, pad, pad, pad, pad, cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(wide, (0, 0), 12)
    mask = np.zeros(wide.shape[:2], np.float32)
    mask[pad:-pad, pad:-pad] = 1
    mask = cv2.GaussianBlur(mask, (0, 0), 3)[..., None]
    return (wide * mask + soft * (1 - mask)).astype(np.float32)


def place(scene, side, cell, rng, squeeze=1.0):
    """Draws the scene into a cell of `cell` pixels with the face `side` pixels wide; returns it and the map to it."""
    scale = side / SIDE
    angle = np.deg2rad(rng.normal(0, 5))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.float32([[cos, -sin], [sin * squeeze, cos * squeeze]])
    centre = np.float32([1.5 * SIDE - 0.5, 1.5 * SIDE - 0.5])
    to = np.float32([cell / 2 - 0.5, cell / 2 - 0.5]) + rng.uniform(-0.5, 0.5, 2).astype(np.float32)
    matrix = np.hstack([turn, (to - turn @ centre)[:, None]])
    # Without this a strong reduction would alias.
    soft = cv2.GaussianBlur(scene, (0, 0), max(0.42 / scale, 0.01))
    return cv2.warpAffine(soft, matrix, (cell, cell), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), matrix


def points_in(matrix):
    """The template's points in the cell."""
    points = TEMPLATE + SIDE
    return points @ matrix[:, :2].T + matrix[:, 2]


def line_kernel(length, angle):
    """Motion along a line of so many pixels."""
    size = int(np.ceil(length)) * 2 + 3
    kernel = np.zeros((size, size), np.float32)
    middle = (size - 1) / 2
    for along in np.linspace(-length / 2, length / 2, 33):
        x, y = middle + along * np.cos(angle), middle + along * np.sin(angle)
        left, top = int(np.floor(x)), int(np.floor(y))
        for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
            kernel[row, column] += max(0, 1 - abs(x - column)) * max(0, 1 - abs(y - row))
    return kernel / kernel.sum()


def linear(image):
    return np.power(np.clip(image, 0, 255) / 255, 2.2)


def display(light):
    return 255 * np.power(np.clip(light, 0, 1), 1 / 2.2)


def lens(image, rng, blur, motion_share, motion):
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(*blur))
    if rng.uniform() < motion_share:
        image = cv2.filter2D(image, -1, line_kernel(rng.uniform(*motion), rng.uniform(0, np.pi)), borderType=cv2.BORDER_REPLICATE)
    return image


def sensor(light, rng, electrons, read):
    """Photons at white and read-out noise in electrons, in linear light."""
    return (rng.poisson(np.clip(light, 0, None) * electrons) + rng.normal(0, read, light.shape)) / electrons


def bayer(light):
    """What a sensor with colour filters sees, and OpenCV's interpolation of it."""
    mosaic = light[..., 2].copy()
    mosaic[0::2, 0::2] = light[0::2, 0::2, 2]
    mosaic[0::2, 1::2] = light[0::2, 1::2, 1]
    mosaic[1::2, 0::2] = light[1::2, 0::2, 1]
    mosaic[1::2, 1::2] = light[1::2, 1::2, 0]
    whole = np.clip(mosaic * 16383, 0, 65535).astype(np.uint16)
    return cv2.cvtColor(whole, cv2.COLOR_BayerBG2BGR).astype(np.float32) / 16383


def unsharp(image, amount, sigma):
    return image + amount * (image - cv2.GaussianBlur(image, (0, 0), sigma))


def jpeg(image, quality):
    ok, data = cv2.imencode(".jpg", np.clip(np.rint(image), 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.float32)


def h264(frames, crf):
    """Encodes frames [n, h, w, 3] (BGR) as video and returns the decoded ones."""
    count, height, width, _ = frames.shape
    raw = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", "15"]
    encode = ["ffmpeg", "-v", "error", *raw, "-i", "-", "-threads", "1", "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    encode += ["-preset", "veryfast", "-g", "50", "-crf", str(crf), "-f", "h264", "-"]
    coded = subprocess.run(encode, input=np.clip(np.rint(frames), 0, 255).astype(np.uint8).tobytes(), capture_output=True, check=True)
    decode = ["ffmpeg", "-v", "error", "-f", "h264", "-i", "-", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    plain = subprocess.run(decode, input=coded.stdout, capture_output=True, check=True).stdout
    return np.frombuffer(plain, np.uint8).reshape(-1, height, width, 3)[:count].astype(np.float32)


def detector_of(path):
    detector = cv2.FaceDetectorYN.create(path, "", (192, 192), 0.3, 0.3, 50)

    def find(image):
        """Five points of the face in the middle of a picture, or None."""
        detector.setInputSize((image.shape[1], image.shape[0]))
        _, faces = detector.detect(image)
        if faces is None:
            return None
        middle = np.float32([image.shape[1], image.shape[0]]) / 2
        distance = [np.linalg.norm(face[:2] + face[2:4] / 2 - middle) for face in faces]
        best = int(np.argmin(distance))
        if distance[best] > 0.25 * image.shape[0]:
            return None
        return faces[best][4:14].reshape(5, 2)

    return find


def align(cell, side, truth, find, rng):
    """Finds the face in the low-resolution cell, enlarged, and brings it to the template; whether it was found."""
    zoom = max(1, int(round(96 / side)))
    big = cv2.resize(np.clip(cell, 0, 255).astype(np.uint8), None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC)
    found = find(big)
    exact = (truth + 0.5) * zoom - 0.5
    reach = side * zoom
    # Found points far from the truth are another thing than the face: a tracker would have a guess instead.
    good = found is not None and np.abs(found - exact).mean() < 0.1 * reach
    points = found if good else exact + rng.normal(0, 0.03 * reach, 2) + rng.normal(0, 0.02 * reach, (5, 2))
    matrix, _ = cv2.estimateAffinePartial2D(np.float32(points), TEMPLATE, method=cv2.LMEDS)
    kernel = [cv2.INTER_LINEAR, cv2.INTER_CUBIC][int(rng.integers(2))]
    return cv2.warpAffine(big, matrix, (SIDE, SIDE), flags=kernel, borderMode=cv2.BORDER_REPLICATE), good


def draw_side(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def in_batches(faces, count):
    for start in range(0, len(faces), count):
        yield start, faces[start : start + count]


def film(faces, seed, kind, look, find, save):
    """Faces in the cells of a picture, 12 frames of it as H.264; the last one is used."""
    columns, rows, cell = 8, 4, int(32 * ROOM)
    for start, group in in_batches(faces, columns * rows):
        rng = stream(seed, kind, "film", start)
        frames = np.zeros((12, rows * cell, columns * cell, 3), np.float32)
        frames += cv2.resize(rng.uniform(40, 190, (rows * 2, columns * 2, 3)).astype(np.float32), (columns * cell, rows * cell), interpolation=cv2.INTER_CUBIC)
        kept = []
        for at, face in enumerate(group):
            own = stream(seed, kind, face["id"])
            side = draw_side(own, 10, 32)
            room = int(side * ROOM)
            scene = scene_of(cv2.imread(face["file"]))
            clean, matrix = place(scene, side, room, own, squeeze=own.uniform(0.88, 1.0) if kind == "cctv" else 1.0)
            clean = look(clean, own)
            drift = own.normal(0, 0.35, 2)
            top, left = (at // columns) * cell + (cell - room) // 2, (at % columns) * cell + (cell - room) // 2
            settings = own.integers(2**31)
            for frame in range(12):
                back = (frame - 11) * drift
                moved = cv2.warpAffine(clean, np.float32([[1, 0, back[0]], [0, 1, back[1]]]), (room, room), borderMode=cv2.BORDER_REPLICATE)
                frames[frame, top : top + room, left : left + room] = shoot(moved, kind, np.random.default_rng(settings), stream(seed, kind, face["id"], frame))
            kept.append((face, side, matrix, top, left, room, own))
        crf = int(rng.integers(24, 34)) if kind == "cctv" else int(rng.integers(26, 36))
        decoded = h264(frames, crf)[-1]
        for face, side, matrix, top, left, room, own in kept:
            crop = decoded[top : top + room, left : left + room]
            save(face, side, *align(crop, side, points_in(matrix), find, own))


def shoot(clean, kind, settings, noise):
    """One frame: sensor, noise reduction, sharpening. `settings` is the camera's, `noise` the frame's."""
    if kind == "cctv":
        light = sensor(linear(clean), noise, settings.uniform(150, 1500), settings.uniform(2, 8))
        picture = display(light).astype(np.float32)
        if settings.uniform() < 0.6:
            picture = cv2.bilateralFilter(picture, 3, settings.uniform(10, 30), 1.2)
        return unsharp(picture, settings.uniform(0, 1.2), settings.uniform(0.6, 1.2))
    light = sensor(linear(clean), noise, settings.uniform(40, 300), settings.uniform(2, 8))
    picture = display(light).astype(np.float32)
    picture = cv2.GaussianBlur(picture, (0, 0), settings.uniform(0.3, 0.8))
    picture = unsharp(picture, settings.uniform(0, 1.0), 1.0)
    return np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)


def look_cctv(clean, rng):
    """Dome, by day: light from above, wide dynamic range, colour cast, lens."""
    room = clean.shape[0]
    light = linear(clean) * np.linspace(rng.uniform(0.9, 1.5), rng.uniform(0.5, 1.0), room)[:, None, None]
    light = light * rng.uniform(0.5, 1.5) * rng.uniform(0.85, 1.15, 3)
    return lens(display(light).astype(np.float32), rng, (0.3, 0.8), 0.3, (0.5, 2.5))


def look_night(clean, rng):
    """Infrared lamp next to the lens: skin is bright, colours differ from daylight's, the light falls off."""
    room = clean.shape[0]
    weights = np.float32([rng.uniform(0, 0.15), rng.uniform(0.1, 0.4), 1.0])
    light = linear(clean) @ (weights / weights.sum())
    y, x = np.mgrid[0:room, 0:room] / room - 0.5
    spot = np.exp(-((x - rng.normal(0, 0.1)) ** 2 + (y - rng.normal(0, 0.1)) ** 2) / (2 * rng.uniform(0.3, 0.8) ** 2))
    light = np.power(np.clip(light * spot * rng.uniform(0.6, 2.0), 0, 1.2), rng.uniform(0.7, 1.1))
    grey = np.repeat(light[..., None], 3, axis=2)
    return lens(display(grey).astype(np.float32), rng, (0.4, 1.0), 0.3, (0.5, 3.0))


def phone(faces, seed, find, save):
    """Far in a phone's picture: lens, colour filters, noise reduction, sharpening, JPEG, often sent on smaller."""
    for face in faces:
        rng = stream(seed, "phone", face["id"])
        side = draw_side(rng, 10, 32)
        sent = rng.uniform(0.6, 1.0) if rng.uniform() < 0.5 else 1.0
        taken = side / sent
        room = int(taken * ROOM) // 2 * 2
        clean, matrix = place(scene_of(cv2.imread(face["file"])), taken, room, rng)
        light = linear(clean) * rng.uniform(0.5, 1.4) * rng.uniform(0.9, 1.1, 3)
        blurred = lens(display(light).astype(np.float32), rng, (0.3, 0.9), 0.3, (0.5, 2.5))
        picture = display(bayer(sensor(linear(blurred), rng, rng.uniform(100, 2000), rng.uniform(1, 6)))).astype(np.float32)
        picture = cv2.bilateralFilter(picture, 5, rng.uniform(5, 30), 1.5)
        picture = unsharp(picture, rng.uniform(0.3, 1.8), rng.uniform(0.6, 1.3))
        picture = jpeg(picture, int(rng.integers(50, 95)))
        points = points_in(matrix)
        if sent < 1:
            small = max(8, int(round(room * sent)))
            picture = jpeg(cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA), int(rng.integers(30, 85)))
            points = (points + 0.5) * small / room - 0.5
        save(face, side, *align(picture, side, points, find, rng))


def still(faces, seed, save):
    """12 to 20 px JPEGs with blur, motion in 30 %, gamma, shot and read noise, sharpening, a slightly wrong crop."""
    for face in faces:
        rng = stream(seed, "still", face["id"])
        side = int(rng.integers(12, 21))
        angle, scale, shift = np.deg2rad(rng.uniform(-3, 3)), 1 + rng.uniform(-0.04, 0.04), rng.uniform(-2, 2, 2)
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        turn = np.float32([[cos, -sin], [sin, cos]])
        centre = np.float32([55.5, 55.5])
        matrix = np.hstack([turn, (centre + shift - turn @ centre)[:, None].astype(np.float32)])
        moved = cv2.warpAffine(cv2.imread(face["file"]), matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        small = cv2.resize(moved, (side, side), interpolation=cv2.INTER_AREA)
        small = lens(small, rng, (0.2, 0.9), 0.3, (1.0, 3.0))
        small = 255 * np.power(np.clip(small, 0, 255) / 255, np.exp(rng.uniform(-0.5, 0.5)))
        small = small + rng.normal(0, 1, small.shape) * np.sqrt(rng.uniform(1, 6) ** 2 + rng.uniform(2, 10) ** 2 * np.clip(small, 0, 255) / 255)
        small = unsharp(small, rng.uniform(0, 1.5), 1.0)
        data = np.clip(np.rint(small), 0, 255).astype(np.uint8)
        save(face, side, data, True, int(rng.integers(40, 91)))


def main(job):
    find = detector_of(job["detector"])
    for kind in job["kinds"]:
        record = {}

        def save(face, side, picture, found, quality=None):
            path = os.path.join(job["out"], kind, face["id"] + (".png" if quality is None else ".jpg"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            cv2.imwrite(path, picture, [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality])
            record[face["id"]] = {"side": round(side, 2), "found": bool(found)}

        if kind == "cctv":
            film(job["faces"], job["seed"], kind, look_cctv, find, save)
        elif kind == "night":
            film(job["faces"], job["seed"], kind, look_night, find, save)
        elif kind == "phone":
            phone(job["faces"], job["seed"], find, save)
        else:
            still(job["faces"], job["seed"], save)
        with open(os.path.join(job["out"], kind + ".json"), "w") as file:
            json.dump(record, file)
        print(kind, len(record), "faces,", sum(each["found"] for each in record.values()), "found", flush=True)


if __name__ == "__main__":
    cv2.setNumThreads(1)
    with open(sys.argv[1]) as file:
        main(json.load(file))
