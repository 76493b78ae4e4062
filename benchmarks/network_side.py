"""One side of `network_speed` in its own process: set up once, then timed whenever a line with seconds arrives.

`python -m benchmarks.network_side '{"side": "ours", "network": "dcgan", ...}'`. Both sides train a pair of networks by
alternating updates: so many of the discriminator, each with a batch of its own, then one of the generator. Answers are
JSON lines; the first holds the number of parameters and the losses of weights and a batch that both sides are given.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

IMAGES, EMA, RATE = 512, 0.999, 2e-4


class Ours:
    """Our trainer as a worker sets it up."""

    def __init__(self, settings, images):
        from threadpoolctl import threadpool_limits

        from harness.worker import device

        threadpool_limits(1)
        device.configure(threads=1, gpu=None)
        import tensorflow as tf

        from benchmarks import ours
        from harness.seeds import Seeds
        from harness.spec.models import TrainSpec

        self._settings, self.version = settings, tf.__version__
        self._train = TrainSpec(
            steps=1000,
            batch=settings["batch"],
            ema=EMA,
            beta1=settings["beta1"],
            loss=settings["loss"],
            penalties=[{"name": name, "weight": weight} for name, weight in settings["penalties"].items()],
            discriminator_steps=settings["critics"],
            updates="alternating" if settings["model"] == "gan" else "joint",
        )
        values = settings["values"] | ({"latent": settings["latent"]} if settings["model"] == "gan" else {})
        self._model = ours.model(settings["network"], self._train, images, kind=settings["model"], **values)
        self._model.start(Seeds(1, 2, 3, 4))
        self.parameters = sum(self._model.parameters().values())

    def advance(self, steps):
        self._model.advance(dict.fromkeys(self._model.networks, np.full(steps, RATE, np.float32)))

    def losses(self):
        """The losses without noise of training, of the weights and the batch that `benchmarks.peers.given` draws."""
        import tensorflow as tf

        from benchmarks.peers import given
        from harness import kinds
        from harness.models.gan.penalty import Penalties
        from harness.models.nn.layers import Call, joined

        weights = {
            name: [
                tf.constant(given.weight(place, index, weight.shape)) for index, weight in enumerate(module.weights())
            ]
            for place, (name, module) in enumerate(self._model.modules.items())
        }

        def called(name):
            return lambda *x: self._model.modules[name](joined(x), weights[name], Call(training=False))

        nets = {name: called(name) for name in weights}
        real, numbers = tf.constant(given.images(tuple(self._settings["shape"]))), given.Numbers()
        if self._settings["model"] != "gan":
            found = self._model._objective.loss(nets, real, numbers).values()
            return [float(sum(found))]
        loss = kinds.find("loss", self._train.loss.name, key="loss").builder(self._train.loss.settings)
        fake = nets["generator"](tf.constant(numbers.normal((len(real), self._settings["latent"]))))

        def critic(images):
            return nets["discriminator"](images)[:, 0]

        of_real, of_fake = critic(real), critic(fake)
        terms = [
            loss.discriminator(of_real, of_fake),
            loss.penalty(critic, real, fake, numbers),
            Penalties.of(self._train.penalties)(critic, real, fake, numbers, count=tf.constant(1, tf.int64)),
        ]
        return [
            float(loss.generator(of_real, of_fake)),
            float(tf.add_n([term for term in terms if term is not None])),
        ]


def main():
    settings = json.loads(sys.argv[1])
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, *settings["shape"]), dtype=np.uint8)
    if settings["side"] == "ours":
        side = Ours(settings, images)
    else:
        from benchmarks.peers import torch_training

        side = torch_training.made(settings, images)
    facts = {"parameters": side.parameters, "losses": side.losses(), "version": side.version}
    started = time.perf_counter()
    side.advance(1)  # traces and compiles
    facts |= {"first_step_s": time.perf_counter() - started}
    side.advance(2)
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        started, cpu, steps, chunk = time.perf_counter(), time.process_time(), 0, 1
        while time.perf_counter() - started < float(line):
            side.advance(chunk)
            steps, chunk = steps + chunk, min(2 * chunk, 32)
        taken = {"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}
        print(json.dumps({"steps": steps, **taken}), flush=True)


if __name__ == "__main__":
    main()
