"""How many operations a step launches on a GPU: `python -m benchmarks.operations [NETWORK ...]` prints a table.

Each built-in network on the smallest images that it fits (the two that take minutes to trace at their smallest settings), in
float32, with the forms of layers that a GPU has, in the loop that TensorFlow runs after its own optimisations. What counts is
in `harness.models.operations`. `BEFORE` is what the same count gave at the commit before the first that brought it down.
"""

from __future__ import annotations

import argparse
from typing import Any
from unittest import mock

from benchmarks import ours
from benchmarks.record import save
from harness import kinds

COMMIT = "de31c7f"
BEFORE = {
    "unet": 366,
    "unet_adm": 1775,
    "conv_vae": 124,
    "article": 256,
    "dcgan": 139,
    "dcgan_cnn32": 249,
    "dcgan_studiogan": 377,
    "r3gan_small": 354,
    "sndcgan": 603,
    "sngan_resnet32": 852,
    "wgan_gp_resnet32": 369,
    "ncsnpp": 3469,
}


def counts(networks: list[str]) -> dict[str, dict[str, int]]:
    """By network, how often a step launches each operation."""
    import tensorflow as tf

    from harness.models import operations

    found = {}
    with mock.patch.object(tf.config, "list_physical_devices", return_value=["GPU"]):
        for network in networks:
            found[network] = dict(operations.of_a_step(ours.smallest(network)).most_common())
            total = sum(found[network].values())
            print(
                f"{network:18} {BEFORE[network]:6,} {total:6,}  {100 * (1 - total / BEFORE[network]):5.1f} % fewer",
                flush=True,
            )
    return found


def main() -> None:
    known = list(kinds.parts("network"))
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(known)} (default: all)")
    networks = options.parse_args().networks or known
    print(f"{'network':18} {COMMIT:>6} {'now':>6}")
    found = counts(networks)
    rows: list[dict[str, Any]] = [
        {"network": name, "before": BEFORE[name], "now": sum(each.values()), "operations": each}
        for name, each in found.items()
    ]
    save("operations", [], {"commit": COMMIT, "rows": rows}, short=networks != known)


if __name__ == "__main__":
    main()
