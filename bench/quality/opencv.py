"""OpenCV's BRISQUE, one face at a time as it takes them: python opencv.py ROUNDS MODEL RANGES FILES. Prints name and faces a second."""
import cv2, sys, time
cv2.setNumThreads(1)
rounds, (model, ranges, *files) = int(sys.argv[1]), sys.argv[2:]
images = [cv2.imread(file) for file in files]
judge = cv2.quality.QualityBRISQUE_create(model, ranges)
def rate():
    begin = time.process_time()
    for image in images: judge.compute(image)
    return len(images) / (time.process_time() - begin)
rate()
print(f"OpenCV {cv2.__version__}, BRISQUE\t{max(rate() for _ in range(rounds))}")
