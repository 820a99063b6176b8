"""pyiqa's BRISQUE and CNNIQA, batches of 32 in memory: python pyiqa_rates.py ROUNDS FILES. Prints name and faces a second.

Both with drawn weights of the published sizes (774 support vectors, as piq's file has): their own are fetched from sites beyond package
registries, and numbers do not change the time.
"""
import importlib.metadata, sys, time
import cv2, numpy as np, torch
from pyiqa.archs.brisque_arch import brisque
from pyiqa.archs.cnniqa_arch import CNNIQA
rounds = int(sys.argv[1])
torch.set_num_threads(1)
torch.manual_seed(1)
images = np.stack([cv2.imread(file)[:, :, ::-1] for file in sys.argv[2:]])
images = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).float() / 255
vectors, factors = torch.rand(774, 36) * 2 - 1, torch.randn(774, 1)
network = CNNIQA(pretrained=None).eval()
judges = {"BRISQUE": lambda x: brisque(x, sv_coef=factors, sv=vectors), "CNNIQA (one patch, the whole face in colour)": network}
version = importlib.metadata.version("pyiqa")
with torch.inference_mode():
    for name, judge in judges.items():
        def rate():
            begin = time.process_time()
            for start in range(0, len(images), 32): judge(images[start:start + 32])
            return len(images) / (time.process_time() - begin)
        rate()
        print(f"pyiqa {version}, torch {torch.__version__}, {name}\t{max(rate() for _ in range(rounds))}")
