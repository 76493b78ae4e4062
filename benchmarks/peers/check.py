"""Whether the peers' networks are ours: `python -m benchmarks.peers.check`, exit status 1 if one is not.

Three things are compared for each network and peer: numbers of trained values; outputs of generator (with batch and with
moving statistics) and discriminator on the same weights; and, where no dropout differs, the losses of five steps of
training from the same weights on the same batches and latents.
"""

from __future__ import annotations

import copy
import os
import sys

import numpy as np

BATCH, STEPS, RATE, OUTPUT, LOSS = 64, 5, 2e-3, 1e-4, 1e-4


def drawn(network, seed, place):
    """Initial weights in order, as a run of ours begins with."""
    rng = np.random.default_rng([seed, place])
    return [weight.initial(rng, weight.shape) for weight in network.weights()]


def unsettled(network, weights):
    """Weights with moving statistics that are not those of the beginning."""
    rng = np.random.default_rng(5)
    return [
        each + (0.5 * rng.random(each.shape)).astype(np.float32) if weight.moving else each
        for each, weight in zip(weights, network.weights(), strict=True)
    ]


def differences(name: str) -> dict[str, dict[str, float]]:
    """Largest difference from ours, by peer and what is compared."""
    import tensorflow as tf

    from benchmarks.ours import both, model
    from benchmarks.peers.jax_gan import JaxGan
    from benchmarks.peers.keras_gan import KerasGan
    from benchmarks.peers.plan import PLANS
    from benchmarks.peers.torch_gan import TorchGan
    from harness import kinds
    from harness.models.nn import draws
    from harness.models.nn.layers import Call
    from harness.seeds import Seeds
    from harness.spec.models import TrainSpec

    plan = PLANS[name]()
    shape = (plan.side, plan.side, plan.channels)
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (256, *shape), dtype=np.uint8)
    train = TrainSpec(steps=STEPS, batch=BATCH)
    part = kinds.find("network", plan.name, key="network")
    pair = part.builder(part.set({"latent": plan.latent}), shape)
    trainer = model(plan.name, train, images, latent=plan.latent)
    seeds = Seeds(11, 12, 13, 14)
    first = [drawn(network, seeds.weights, place) for place, network in enumerate(pair.values())]
    moved = unsettled(pair["generator"], first[0])
    latents = rng.standard_normal((BATCH, plan.latent)).astype(np.float32)
    real = rng.uniform(-1, 1, (BATCH, *shape)).astype(np.float32)
    ours = {
        "generated, batch statistics": pair["generator"](latents, first[0], Call(training=True)).numpy(),
        "generated, moving statistics": pair["generator"](latents, moved, Call(training=False)).numpy(),
        "judged": pair["discriminator"](real, first[1], Call(training=False)).numpy()[:, 0],
    }
    constant = np.full(STEPS, RATE, np.float32)
    peers = {
        "torch": TorchGan(plan, images, batch=BATCH, ema=train.averages["ema"]),
        "torch, channels_last": TorchGan(plan, images, batch=BATCH, ema=train.averages["ema"], layout="channels_last"),
        "jax": JaxGan(plan, images, batch=BATCH, ema=train.averages["ema"]),
        "keras": KerasGan(plan, images, batch=BATCH, ema=train.averages["ema"], rates=(constant, constant)),
    }
    losses = []
    if not any(layer.kind == "dropout" for layer in plan.discriminator):
        trainer.start(seeds)
        for _ in range(STEPS):
            found = trainer.advance(both(constant[:1]))
            losses.append((float(found["generator"][-1]), float(found["discriminator"][-1])))
    result = {}
    for peer, gan in peers.items():
        gan.load(copy.deepcopy(moved), copy.deepcopy(first[1]))
        made = {"generated, moving statistics": gan.make(latents, training=False), "judged": gan.judge(real)}
        gan.load(copy.deepcopy(first[0]), copy.deepcopy(first[1]))
        made["generated, batch statistics"] = gan.make(latents, training=True)
        found = {what: float(np.abs(values - ours[what]).max()) for what, values in made.items()}
        mine, theirs = trainer.parameters(), gan.parameters()
        found["trained values"] = float(sum(abs(mine[network] - theirs[network]) for network in mine))
        gan.load(copy.deepcopy(first[0]), copy.deepcopy(first[1]))
        roles = tf.constant(draws.roles(seeds))
        for step, expected in enumerate(losses):
            chosen = draws.batch_indices(roles, tf.constant(step, tf.int64), 0, batch=BATCH, images=len(images)).numpy()
            drawn_latents = draws.latents(
                roles, tf.constant(step, tf.int64), 0, batch=BATCH, dimensions=plan.latent
            ).numpy()
            batch = images[chosen].astype(np.float32) * np.float32(1.0 / 127.5) - np.float32(1.0)
            seen = gan.given(batch, drawn_latents, RATE)
            gap = max(abs(a - b) for a, b in zip(seen, expected, strict=True))
            found["losses of training"] = max(found.get("losses of training", 0.0), gap)
        result[peer] = found
    return result


def main() -> int:
    """Print the differences; 1 if one is above its tolerance."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    status = 0
    for name in ("article", "quick"):
        for peer, found in differences(name).items():
            for what, value in found.items():
                allowed = {"trained values": 0.0, "losses of training": LOSS}.get(what, OUTPUT)
                good = value <= allowed
                status |= not good
                print(f"{name:8} {peer:21} {what:29} differs by {value:.1e}{'' if good else '  TOO MUCH'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
