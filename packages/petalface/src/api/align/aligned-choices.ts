/** Whether photos are aligned faces: as the user says, or found out. */
export const alignedChoices = ["auto", "yes", "no"] as const;

/** Whether training data may be photos that have to be aligned first. */
export const mayBePhotos = (train: string, aligned: (typeof alignedChoices)[number]): boolean =>
  aligned !== "yes" && !/^synthetic(:|$)/.test(train);
