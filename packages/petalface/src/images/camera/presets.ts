/**
 * Cameras by name, as a spec spells them. Their ranges stay as they are, because runs record the
 * name: another range gets another name.
 */
export const cameraPresets: Readonly<Record<string, string>> = {
  /**
   * A dome camera's video, from above and far: small, compressed, found again at low resolution.
   */
  cctv: "jitter=0-6,gamma=0.6-1.6,down=10-28:area+bilinear,blur=0.2-1,motion=0.5-2.5@0.3,shot=0-10,noise=0-6,blur=0.3-0.7@0.3,sharpen=0-1.2@0.6,h264=18-34,up=bilinear+bicubic",
  /** Far in a phone's picture: sharpened, and often sent on smaller. */
  phone:
    "jitter=0-6,gamma=0.6-1.6,down=10-28:area+bilinear+bicubic,blur=0.2-1,motion=0.5-3@0.3,shot=0-12,noise=0-6,sharpen=0-2@0.8,jpeg=30-95,up=bilinear+bicubic",
  /** Grey or infrared video at night: noisy, smoothed, compressed. */
  night:
    "jitter=0-8,ir=0-3@0.6,grey=1,gamma=0.5-1.6,down=10-28:area+bilinear,blur=0.3-1.1,motion=0.5-3@0.3,shot=0-20,noise=0-10,blur=0.3-0.8@0.5,sharpen=0-1@0.5,h264=20-36,up=bilinear+bicubic",
  /** Plain shrinking for 13 of 21 faces, most to 16 px or fewer, and the three cameras for 8. */
  any: "9*down=8-16/4*down=17-24/4*phone/2*cctv/2*night",
};
