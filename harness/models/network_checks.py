"""What is looked at before a user's networks are trained in a study: one `Check` per question, all of them answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import kinds, own_code
from harness.kinds import Shape
from harness.lazy import tf
from harness.models import keras_network
from harness.models.nn.layers import Call, joined
from harness.models.training import Training
from harness.own_code import CodeError, Named
from harness.seeds import Seeds

_IMAGES = 256  # random training images
_STEPS = 12
_RATE = 1e-3
_SAMPLED = 1000


@dataclass(frozen=True)
class Request:
    """Which networks, for which images."""

    path: Path
    make: str
    shape: Shape
    latent: int | None
    options: Mapping[str, Any]
    model: str
    batch: int


@dataclass(frozen=True)
class Check:
    """A question, whether the answer is as it should be, and the answer in words."""

    name: str
    good: bool
    found: str


def run(request: Request) -> list[Check]:
    """All checks, in order; after a fault that leaves nothing to look at, no more."""
    checks: list[Check] = []
    try:
        model = _model(request)
    except (CodeError, ValueError) as error:
        return [Check("networks can be made", False, line) for line in str(error).splitlines()]
    checks.append(Check("networks can be made", True, ", ".join(_described(model))))
    for look in (_hidden, _trains, _chunks, _restores, _gradients, _seeds, _range, _sampling, _alone, _traces, _speed):
        try:
            checks += look(model, request)
        except Exception as error:  # of the user's code: told as what it is
            told = own_code.failure(request.path.name, error)
            checks.append(Check(look.__name__.strip("_"), False, told))
    return checks


def _model(request: Request) -> Training:
    """The model that a study would train; CodeError or ValueError says why there is none."""
    named = Named("network.name", "network", f"{request.path.name}:{request.make}")
    if not kinds.is_own(named.name):
        raise CodeError(f"FILE is {request.path}, but allowed is a Python file whose name ends in .py")
    part: Any = kinds.find("model", request.model, key="--model")
    sources = own_code.read([named], [request.path.absolute().parent], written={})
    own_code.adopt(
        [named],
        sources,
        make={"network": lambda name, make: keras_network.part_of(name, make, roles=part.networks)},
    )
    network = kinds.find("network", named.name, key=named.key)
    values = {**request.options, **({} if request.latent is None else {"latent": request.latent})}
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_IMAGES, *request.shape), dtype=np.uint8)
    model: Training = part.builder(
        SimpleNamespace(name=named.name, settings=network.set(values)),
        _settings(request.batch),
        images,
        part.set({}),
    )
    return model


def _settings(batch: int) -> SimpleNamespace:
    """A study's [train] with its defaults."""
    loss = kinds.find("loss", "non_saturating", key="train.loss")
    optimizer = kinds.find("optimizer", "adam", key="train.optimizer")
    return SimpleNamespace(
        batch=batch,
        optimizer=SimpleNamespace(name=optimizer.name, settings=optimizer.set({})),
        beta1=0.5,
        beta2=0.999,
        momentum=0.0,
        averages={"ema": 0.999},
        ema_ramp=10.0,
        precision="float32",
        xla="auto",
        flip=False,
        discriminator_steps=1,
        generator_batch=None,
        updates="joint",
        penalties=(),
        augment=(),
        conditional=False,
        loss=SimpleNamespace(name=loss.name, settings=loss.set({})),
    )


def _described(model: Training) -> Iterator[str]:
    for name, count in model.parameters().items():
        yield f"{name} ({count:,} parameters)"


def _rates(model: Training, count: int) -> dict[str, NDArray[np.float32]]:
    return dict.fromkeys(model.networks, np.full(count, _RATE, np.float32))


def _begun(model: Training) -> None:
    model.start(Seeds.of(0, "check", 0))


def _hidden(model: Training, request: Request) -> list[Check]:
    """Both traps were looked for as the networks were made."""
    written = [
        module.names()[index]
        for module in model.modules.values()
        if isinstance(module, keras_network.KerasNetwork)
        for index in _written(module, model, request)
        if not module.weights()[index].moving
    ]
    note = f"; layers write these trained weights, as Keras has it: {', '.join(written)}" if written else ""
    return [Check("no state or noise of its own", True, f"no tf.Variable, no tf.random{note}")]


def _written(module: keras_network.KerasNetwork, model: Training, request: Request) -> list[int]:
    """Indices of the weights that a training pass writes."""
    call = Call(training=True, seed=tf.constant([3, 5], tf.int64))
    inputs = keras_network.example_inputs(module.model, module.role, (model.latent,), request.shape)
    module(joined(inputs), [tf.constant(value) for value in module.values()], call)
    return sorted(call.moved)


def _trains(model: Training, request: Request) -> list[Check]:
    _begun(model)
    losses = model.advance(_rates(model, _STEPS))
    told = ", ".join(f"{name} {values[0]:.3g} to {values[-1]:.3g}" for name, values in losses.items())
    return [Check("trains", True, f"losses over {_STEPS} steps: {told}")]


def _chunks(model: Training, request: Request) -> list[Check]:
    whole, parts = _state(model, (_STEPS,)), _state(model, (1, 4, _STEPS - 5))
    return [_equal("steps in other chunks", whole, parts)]


def _restores(model: Training, request: Request) -> list[Check]:
    whole = _state(model, (_STEPS,))
    halfway = _state(model, (_STEPS // 2,))
    model.start(Seeds.of(0, "check", 1))
    model.restore(halfway)
    model.advance(_rates(model, _STEPS - _STEPS // 2))
    return [_equal("restored from a checkpoint", whole, model.state())]


def _state(model: Training, chunks: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    _begun(model)
    for count in chunks:
        model.advance(_rates(model, count))
    return model.state()


def _equal(name: str, first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]]) -> Check:
    moved = [key for key, array in first.items() if not np.array_equal(array, second[key])]
    return Check(name, not moved, f"other numbers in {', '.join(moved)}" if moved else "every number is identical")


def _gradients(model: Training, request: Request) -> list[Check]:
    """Weights that training leaves exactly as they were: no gradient reaches them."""
    _begun(model)
    before = {name: _values(model, name) for name in model.networks}
    model.advance(_rates(model, _STEPS))
    idle = []
    for name, module in model.modules.items():
        names = module.names() if isinstance(module, keras_network.KerasNetwork) else None
        for index, (old, new) in enumerate(zip(before[name], _values(model, name), strict=True)):
            if not module.weights()[index].moving and np.array_equal(old, new):
                idle.append(f"{name}: {names[index] if names else f'weight {index}'}")
    found = f"none reaches {'; '.join(idle)}" if idle else "reach every trained weight"
    return [Check("gradients", not idle, found)]


def _values(model: Training, name: str) -> list[NDArray[np.float32]]:
    return [weight.numpy() for weight in model.weights(name)]


def _seeds(model: Training, request: Request) -> list[Check]:
    fixed = []
    for name, module in model.modules.items():
        first, again, other = (module.initial(np.random.default_rng(seed)) for seed in (1, 1, 2))
        if not all(np.array_equal(old, new) for old, new in zip(first, again, strict=True)):
            return [Check("initial weights", False, f"{name}: the same seed gives other weights each time")]
        if all(np.array_equal(old, new) for old, new in zip(first, other, strict=True)):
            fixed.append(name)
    found = f"the same for every seed: {', '.join(fixed)}" if fixed else "follow the seed of a run, and nothing else"
    return [Check("initial weights", not fixed, found)]


def _latents(model: Training) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((_SAMPLED, model.latent), dtype=np.float32)


def _range(model: Training, request: Request) -> list[Check]:
    images = model.floats(_latents(model)[:100])
    low, high = float(images.min()), float(images.max())
    inside = bool(np.isfinite(images).all()) and low >= -1.0 and high <= 1.0
    ended = any(name in ("generator", "decoder") for name in model.networks)  # else what lies beyond may mean to be cut
    good = inside or (not ended and bool(np.isfinite(images).all()))
    hint = "" if inside else "; end with tanh, or they will be clipped" if ended else "; what lies beyond is clipped"
    return [Check("images lie in [-1, 1]", good, f"{low:.3f} to {high:.3f}{hint}")]


def _sampling(model: Training, request: Request) -> list[Check]:
    _begun(model)
    model.advance(_rates(model, 4))
    latents = _latents(model)
    whole = model.generate(latents, weights="ema")
    parts = [model.generate(latents[first : first + 250], weights="ema") for first in range(0, _SAMPLED, 250)]
    same = np.array_equal(whole, np.concatenate(parts))
    found = "every pixel is identical" if same else "other images: something looks at the batch when it generates"
    return [Check("500 images at a time equal 250 at a time", same, found)]


def _alone(model: Training, request: Request) -> list[Check]:
    checks = []
    for name, module in model.modules.items():
        if isinstance(module, keras_network.KerasNetwork):
            said = "per_example holds" if module.per_example else "may mix examples, so losses have a pass back each"
            checks.append(Check(f"{name} by example", True, said))
    return checks


def _traces(model: Training, request: Request) -> list[Check]:
    return [Check("compiled once", model.traces == 1, f"{model.traces} traces of the training loop")]


def _speed(model: Training, request: Request) -> list[Check]:
    _begun(model)
    step = _seconds(lambda count: model.advance(_rates(model, count))) * 1e3
    latents = _latents(model)
    image = _seconds(lambda count: [model.generate(latents, weights="ema") for _ in range(count)]) / _SAMPLED
    found = f"{step:.1f} ms per step at batch {request.batch}, {1 / image:,.0f} images per second"
    return [Check("speed on this machine", True, found)]


def _seconds(repeat: Callable[[int], object]) -> float:
    """Seconds of one repetition, from half a second of them or more."""
    count, elapsed = 1, 0.0
    while elapsed < 0.5:
        started = time.monotonic()
        repeat(count)
        elapsed = time.monotonic() - started
        count *= 2
    return elapsed / (count // 2)
