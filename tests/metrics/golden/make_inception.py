"""Make inception.json: torch-fidelity's numbers for random weights. Needs torch and torch-fidelity; the suite does not.

    python tests/metrics/golden/make_inception.py TOOL
TOOL is the script torch_fidelity_random_weights.py, whose weights and synthetic images are used.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

SIZES = {8: 24, 28: 24, 32: 48, 64: 24, 299: 6}


def main():
    spec = importlib.util.spec_from_file_location("tool", sys.argv[1])
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    import torch
    import torch_fidelity
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric

    cases = []
    for seed, sizes in ((0, SIZES), (1, {32: 24}), (2, {8: 24})):
        path = f"/tmp/inception_{seed}.pth"
        torch.save({k: torch.from_numpy(v) for k, v in tool.random_state_dict(seed).items()}, path)
        network = tool.create_feature_extractor(
            "inception-v3-compat", ["2048"], cuda=False, verbose=False, feature_extractor_weights_path=path
        )
        for size, n in sizes.items():
            sets = []
            for place in (1, 2):
                images = tool.synthetic_images(n, size, 10 * seed + place, noise=False)
                if place == 2:
                    images = np.clip(images.astype(np.int16) + 12, 0, 255).astype(np.uint8)
                with torch.no_grad():
                    parts = [network(torch.from_numpy(images[i : i + 16]))[0] for i in range(0, n, 16)]
                sets.append(torch.cat(parts))
            statistics = [fid_features_to_statistics(each) for each in sets]
            fid = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
            kid = kid_features_to_metric(*sets, kid_subsets=20, kid_subset_size=n // 2, rng_seed=2020, verbose=False)
            features = [each.numpy() for each in sets]
            cases.append(
                {
                    "seed": seed,
                    "size": size,
                    "n": n,
                    "fid": float(fid),
                    "fid_float64": tool.fid_float64(*features),
                    "kid": float(kid["kernel_inception_distance_mean"]),
                    "kid_float64": tool.kid_subsets_float64(*features, 20, n // 2, 2020)[0],
                    "kid_std": float(kid["kernel_inception_distance_std"]),
                    "first": [float(x) for x in features[0][0][::8]],
                    "last": [float(x) for x in features[1][-1][::8]],
                }
            )
            print(seed, size, fid, flush=True)
    note = {"torch": torch.__version__, "torch_fidelity": torch_fidelity.__version__, "cases": cases}
    Path(__file__).with_name("inception.json").write_text(json.dumps(note, indent=0) + "\n")


if __name__ == "__main__":
    main()
