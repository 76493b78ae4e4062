"""Make r3gan.npz: what the networks of brownvc/R3GAN compute with weights drawn here.

Run with PyTorch installed: python tests/models/golden/make_r3gan.py FOLDER, where FOLDER is a copy of that repository. Its
CUDA kernels are replaced by its own reference implementations.
"""

import pathlib
import sys
import types

import numpy as np
import torch

LATENT, WIDTH, BLOCKS, CLASSES, COUNT = 8, 16, 1, 3, 4


def original(folder):
    """The repository's module of networks, on the processor."""
    for name in ("torch_utils", "torch_utils.ops", "torch_utils.ops.bias_act", "torch_utils.ops.upfirdn2d"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torch_utils.ops"].bias_act = sys.modules["torch_utils.ops.bias_act"]
    sys.modules["torch_utils.ops"].upfirdn2d = sys.modules["torch_utils.ops.upfirdn2d"]
    sys.path.insert(0, folder)
    import R3GAN.FusedOperators as operators
    import R3GAN.Networks as networks
    import R3GAN.Resamplers as resamplers

    networks.BiasedActivation = operators.BiasedActivationReference
    networks.InterpolativeUpsampler = resamplers.InterpolativeUpsamplerReference
    networks.InterpolativeDownsampler = resamplers.InterpolativeDownsamplerReference
    return networks


def drawn(module, order):
    """Give the parameters named in `order` values, drawn one after another in our layout."""
    rng = np.random.default_rng(7)
    parameters = dict(module.named_parameters())
    assert set(order) == set(parameters), set(order) ^ set(parameters)
    for name, axes in order.items():
        shape = [parameters[name].shape[axis] for axis in axes]
        values = (0.3 * rng.standard_normal(shape)).astype(np.float32)
        parameters[name].data = torch.tensor(values).permute(*np.argsort(axes)).contiguous()
    return module


def block(prefix):
    """The parameters of a residual block with the order of their axes in ours."""
    kernel, order = (2, 3, 1, 0), {}
    for layer in (1, 2, 3):
        order[f"{prefix}.LinearLayer{layer}.Layer.weight"] = kernel
        if layer < 3:
            order[f"{prefix}.NonLinearity{layer}.Bias"] = (0,)
    return order


def main(folder):
    networks = original(folder)
    stages = {"WidthPerStage": [WIDTH] * 2, "CardinalityPerStage": [WIDTH // 8] * 2, "BlocksPerStage": [BLOCKS] * 2}
    seen = {"ExpansionFactor": 2, "ConditionDimension": CLASSES}
    generator = networks.Generator(LATENT, **stages, **seen, ConditionEmbeddingDimension=LATENT)
    discriminator = networks.Discriminator(**stages, **seen, ConditionEmbeddingDimension=WIDTH)
    first, last = "MainLayers.0.Layers.0", "MainLayers.1.Layers.1"
    drawn(
        generator,
        {f"{first}.LinearLayer.weight": (1, 0), f"{first}.Basis": (1, 2, 0)}
        | block("MainLayers.0.Layers.1")
        | block("MainLayers.1.Layers.1")
        | {"AggregationLayer.Layer.weight": (2, 3, 1, 0), "EmbeddingLayer.weight": (1, 0)},
    )
    drawn(
        discriminator,
        {"ExtractionLayer.Layer.weight": (2, 3, 1, 0)}
        | block("MainLayers.0.Layers.0")
        | block("MainLayers.1.Layers.0")
        | {f"{last}.Basis.weight": (2, 3, 0, 1), f"{last}.LinearLayer.weight": (1, 0), "EmbeddingLayer.weight": (1, 0)},
    )
    rng = np.random.default_rng(8)
    latents = rng.standard_normal((COUNT, LATENT)).astype(np.float32)
    classes = np.eye(CLASSES, dtype=np.float32)[np.arange(COUNT) % CLASSES]
    images = generator(torch.tensor(latents), torch.tensor(classes))
    logits = discriminator(images, torch.tensor(classes))
    np.savez_compressed(
        pathlib.Path(__file__).with_name("r3gan.npz"),
        latents=latents,
        classes=classes,
        images=images.permute(0, 2, 3, 1).detach().numpy(),
        logits=logits.detach().numpy(),
    )


if __name__ == "__main__":
    main(sys.argv[1])
