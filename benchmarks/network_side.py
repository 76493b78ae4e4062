"""One side of `network_speed` in its own process: set up once, then timed whenever a line with seconds arrives.

`python -m benchmarks.network_side '{"side": "ours", "network": "dcgan", ...}'`. Both sides train by alternating updates: so
many of the discriminator, each with a batch of its own, then one of the generator. Answers are JSON lines.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

IMAGES, EMA, RATE, LATENT = 512, 0.999, 2e-4, 128


class Ours:
    """Our trainer as a worker sets it up."""

    def __init__(self, settings, images):
        from threadpoolctl import threadpool_limits

        from harness.worker import device

        threadpool_limits(1)
        device.configure(threads=1, gpu=None)
        from benchmarks import ours
        from harness.seeds import Seeds
        from harness.spec.models import TrainSpec

        train = TrainSpec(
            steps=1000,
            batch=settings["batch"],
            ema=EMA,
            beta1=settings["beta1"],
            loss=settings["loss"],
            discriminator_steps=settings["critics"],
            updates="alternating",
        )
        self._model = ours.model(settings["network"], train, images, latent=LATENT, **settings["values"])
        self._model.start(Seeds(1, 2, 3, 4))
        self.parameters = sum(self._model.parameters().values())

    def advance(self, steps):
        self._model.advance(dict.fromkeys(self._model.networks, np.full(steps, RATE, np.float32)))


class Torch:
    """PyTorch, eager or compiled, in one layout of memory; Adam is the fused one, the moving average one call."""

    def __init__(self, settings, images):
        import torch

        from benchmarks.peers import torch_networks

        torch.set_num_threads(1)
        torch.set_num_interop_threads(1)
        self._torch, self._networks, self._settings = torch, torch_networks, settings
        self._memory = torch.channels_last if settings["layout"] == "channels_last" else torch.contiguous_format
        self._images = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        pair = torch_networks.NETWORKS[settings["network"]](LATENT, images.shape[1:], **settings["values"])
        self._generator, self._discriminator = (network.to(memory_format=self._memory) for network in pair)
        self._weights = [list(network.parameters()) for network in pair]
        self.parameters = sum(weight.numel() for weights in self._weights for weight in weights)
        adam = {"lr": RATE, "betas": (settings["beta1"], 0.999), "fused": True}
        self._adam = [torch.optim.Adam(weights, **adam) for weights in self._weights]
        statistics = [each for each in self._generator.buffers() if each.is_floating_point()]
        self._averaged = [each.detach() for each in (*self._weights[0], *statistics)]
        self._average = [each.clone() for each in self._averaged]
        compiled = torch.compile if settings["compiled"] else lambda network: network
        self._make, self._judge = compiled(self._generator), compiled(self._discriminator)
        self._judge_both = compiled(lambda real, fake: (self._discriminator(real), self._discriminator(fake)))

    def advance(self, steps):
        for _ in range(steps):
            for _ in range(self._settings["critics"]):
                self._update(1, self._loss_of_discriminator())
            self._update(0, self._networks.loss_of_generator(self._settings["loss"], self._judge(self._fake())[:, 0]))
            self._torch._foreach_lerp_(self._average, self._averaged, 1.0 - EMA)

    def _fake(self):
        return self._make(self._torch.randn(self._settings["batch"], LATENT))

    def _loss_of_discriminator(self):
        torch, batch, loss = self._torch, self._settings["batch"], self._settings["loss"]
        chosen = torch.randint(len(self._images), (batch,))
        real = (self._images[chosen].float() * (1.0 / 127.5) - 1.0).contiguous(memory_format=self._memory)
        with torch.no_grad():
            fake = self._fake()
        # As one compiled function: of two, the second would change what the first keeps of spectral normalisation.
        of_real, of_fake = self._judge_both(real, fake)
        found = self._networks.loss_of_discriminator(loss, of_real[:, 0], of_fake[:, 0])
        if loss == "wasserstein_gp":  # not through the compiled network, which cannot be differentiated twice
            found = found + self._networks.gradient_penalty(self._discriminator, real, fake, torch.rand(batch))
        return found

    def _update(self, place, loss):
        for weight, slope in zip(
            self._weights[place], self._torch.autograd.grad(loss, self._weights[place]), strict=True
        ):
            weight.grad = slope
        self._adam[place].step()


def main():
    settings = json.loads(sys.argv[1])
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, *settings["shape"]), dtype=np.uint8)
    side = {"ours": Ours, "torch": Torch}[settings["side"]](settings, images)
    started = time.perf_counter()
    side.advance(1)  # traces and compiles
    facts = {"parameters": side.parameters, "first_step_s": time.perf_counter() - started}
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
