"""Make dinov2.npz: features of the reference implementation for random weights. Needs PyTorch and Pillow.

    PYTHONPATH=.:FOLDER python tests/metrics/golden/make_dinov2.py
FOLDER is a copy of github.com/facebookresearch/dinov2. Images are resized as dgm-eval and EDM2 resize them.
"""

import warnings
from pathlib import Path

import numpy as np
import torch
from dinov2.models import vision_transformer
from PIL import Image

from tests.metrics.golden import dinov2_recipe as recipe
from tests.metrics.golden.dinov2_cases import CASES, NETWORKS

warnings.filterwarnings("ignore")
HUB = {"patch_size": 14, "img_size": 518, "init_values": 1.0, "ffn_layer": "mlp", "block_chunks": 0}
HUB |= {"num_register_tokens": 0, "interpolate_antialias": False, "interpolate_offset": 0.1}


def by_pillow(images):
    """dgm-eval's resize, and EDM2's slow one."""
    resized = [np.asarray(Image.fromarray(each).resize((224, 224), Image.Resampling.BICUBIC)) for each in images]
    return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).to(torch.float32)


def by_torch(images):
    """EDM2's default."""
    given = torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32)
    return torch.nn.functional.interpolate(given, size=(224, 224), mode="bicubic", antialias=True)


RESIZES = {"bicubic224": by_pillow, "bicubic224float": by_torch}


def features(network, resized):
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, -1, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).reshape(1, -1, 1, 1)
    with torch.no_grad():
        return network((resized / 255 - mean) / deviation).numpy()


def main():
    golden = {}
    for name, (width, depth, heads) in NETWORKS.items():
        network = vision_transformer.DinoVisionTransformer(embed_dim=width, depth=depth, num_heads=heads, **HUB)
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        drawn = recipe.weights(shapes, seed=0)
        network.load_state_dict({key: torch.from_numpy(value) for key, value in drawn.items()}, strict=True)
        network.eval()
        for case in (case for case in CASES if case.network == name):
            given = recipe.images(case.count, case.height, case.width, seed=case.seed)
            golden[str(case)] = features(network, RESIZES[case.resize](given))
            print(case, float(golden[str(case)].std()), float(golden[str(case)].std(axis=0).mean()), flush=True)
        if name == "tiny":
            with torch.no_grad():
                whole = network.interpolate_pos_encoding(torch.zeros(1, 257, width), 224, 224)
            golden["positions"] = whole[0, 1:, ::8].numpy().reshape(16, 16, -1)
    np.savez_compressed(Path(__file__).with_name("dinov2.npz"), **golden)


if __name__ == "__main__":
    main()
