"""Networks of a user's own file: Keras 3 models as pure functions of their weights, in the loop that trains ours.

A Keras model is called through `keras.StatelessScope`: its variables stand for slices of the flat vectors that training
keeps, what a pass writes to them is handed back, and its random generators get the pass's own seed. Anything that would
escape this (a bare tf.Variable, tf.random) is found by tracing the model once, and refused.
"""

from __future__ import annotations

import contextlib
import inspect
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.kinds import Shape
from harness.lazy import tf
from harness.models.model import NetworkPart
from harness.models.nn import draws
from harness.models.nn.draws import Draw
from harness.models.nn.layers import Call, Module, Weight, joined, zeros
from harness.own_code import CodeError, fault

LATENT = 64  # length of the latent vector unless a study sets it
_EXAMPLES = 4  # images in a batch that looks at a network

# Keras layers that surely look at each example of a batch by itself, whatever their arguments.
_ALONE = (
    *("InputLayer", "Dense", "EinsumDense", "Conv1D", "Conv2D"),
    *("Conv3D", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv2D", "SeparableConv2D"),
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU"),
    *("Softmax", "Reshape", "Flatten", "Permute", "Cropping2D"),
    *("ZeroPadding2D", "UpSampling2D", "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D"),
    *("GlobalMaxPooling2D", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout"),
    *("LayerNormalization", "GroupNormalization", "UnitNormalization", "RMSNormalization", "Rescaling"),
    *("Identity", "Add", "Subtract", "Multiply", "Average"),
    *("Maximum", "Minimum", "Concatenate"),
)
_HIDDEN = (  # operations that keep or draw numbers by themselves
    *("Assign", "Random", "Multinomial", "TruncatedNormal", "ParameterizedTruncatedNormal", "Rng", "VarHandleOp"),
    *(
        "StatefulUniform",
        "StatefulStandardNormal",
        "StatefulTruncatedNormal",
        "StatefulRandom",
        "PyFunc",
        "EagerPyFunc",
    ),
    *("ResourceScatter", "ResourceApply"),
)


class KerasNetwork:
    """A Keras model as a harness.models.nn.layers.Module.

    `rebuild` takes a seed and makes the same model anew, its initial weights drawn from that seed.
    """

    def __init__(self, role: str, model: Any, rebuild: Callable[[int], Any]) -> None:
        """`role` is what the network is called; the model must be built."""
        self.role, self.model, self._rebuild = role, model, rebuild
        self._variables, self._generators = _state(model)
        trained = {id(variable) for variable in model.trainable_variables}
        self._weights = [
            Weight(tuple(variable.shape), zeros, moving=id(variable) not in trained) for variable in self._variables
        ]
        self.per_example = getattr(model, "per_example", None) is True or _provably_alone(model)

    def weights(self) -> list[Weight]:
        """All variables in Keras' order, without the states of random generators."""
        return list(self._weights)

    @property
    def draws(self) -> bool:
        """Whether layers of the model draw numbers: by Keras, which names no algorithm, so that XLA draws others."""
        return bool(self._generators)

    def names(self) -> list[str]:
        """The paths of the variables, in the order of `weights`."""
        return [variable.path for variable in self._variables]

    def initial(self, rng: np.random.Generator) -> list[NDArray[np.float32]]:
        """Initial values as the user's function draws them from a seed; leaves global random states as they were."""
        variables, _ = _state(self._rebuild(int(rng.integers(2**31))))
        if [tuple(variable.shape) for variable in variables] != [weight.shape for weight in self._weights]:
            raise CodeError(f"network '{self.role}' has other weights each time that it is made")
        return [np.asarray(variable.numpy(), np.float32) for variable in variables]

    def values(self) -> list[NDArray[np.float32]]:
        """The weights as the model was made with."""
        return [np.asarray(variable.numpy(), np.float32) for variable in self._variables]

    def __call__(self, x: Any, weights: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """The output for `x`, in the type of `x`; what the pass wrote to its variables goes into `call.moved`."""
        import keras

        given = {id(v): tf.cast(value, v.dtype) for v, value in zip(self._variables, weights, strict=True)}
        mapping = [(variable, given[id(variable)]) for variable in self._variables]
        scope = keras.StatelessScope([*mapping, *self._seeds(call)])
        trained = {id(v) for v, weight in zip(self._variables, self._weights, strict=True) if not weight.moving}

        def add_update(update: tuple[Any, tf.Tensor]) -> None:
            variable, value = update
            if id(variable) in trained:
                # As Keras' own training has it: the gradient is of the value that was written, and is applied to that.
                before = scope.state_mapping[id(variable)]
                value = tf.stop_gradient(value) + (before - tf.stop_gradient(before))
            scope.state_mapping[id(variable)] = value

        scope.add_update = add_update
        with scope:
            y = self._run(x, training=call.training)
        if call.training:
            for index, variable in enumerate(self._variables):
                now = scope.get_current_value(variable)
                if now is not given[id(variable)]:
                    call.moved[index] = tf.cast(now, tf.float32)
        first = x[0] if isinstance(x, tuple | list) else x
        return tf.cast(y, first.dtype) if first.dtype.is_floating and hasattr(y, "dtype") else y

    def _run(self, x: Any, *, training: bool) -> Any:
        try:
            if not isinstance(x, tuple):
                return self.model(x, training=training)
            if getattr(self.model, "inputs", None):
                return self.model(list(x), training=training)
            return self.model(*x, training=training)
        except CodeError:
            raise
        except Exception as error:
            raise fault(f"network '{self.role}':", _file_of(error), error) from error

    def _seeds(self, call: Call) -> list[tuple[Any, tf.Tensor]]:
        """The states of all random generators: functions of the pass's seed, constant when the network rests."""
        count = len(self._generators)
        if not count:
            return []
        if call.training:
            states = draws.integers((count, 2), call.next_seed(), below=2**31 - 1)
        else:
            states = tf.zeros((count, 2), tf.int32)
        return [(state, tf.cast(states[index], state.dtype)) for index, state in enumerate(self._generators)]


def _state(model: Any) -> tuple[list[Any], list[Any]]:
    """The variables of a model, each once, and the states of its random generators."""
    variables = list({id(variable): variable for variable in model.variables}.values())
    generators = [variable for variable in variables if variable.name == "seed_generator_state"]
    return [variable for variable in variables if variable.name != "seed_generator_state"], generators


def _file_of(error: BaseException) -> str:
    """The user's file that an error went through last; "" if through none."""
    import traceback

    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return next((name for name in reversed(frames) if name.endswith(".py") and "/" not in name), "the model")


# --- what a network does with examples -------------------------------------------------------------------------------


def _provably_alone(model: Any) -> bool:
    """Whether a model is made of Keras' own layers alone, none of which looks at two examples of a batch."""
    import keras

    if type(model) is not keras.Sequential and type(model).__name__ != "Functional":
        return False
    parts = model.layers if type(model) is keras.Sequential else model.operations
    return all(_layer_alone(part) for part in parts)


def _layer_alone(layer: Any) -> bool:
    import keras

    if isinstance(layer, keras.Model):
        return _provably_alone(layer)
    name = type(layer).__name__
    activation = getattr(layer, "activation", None)
    plain = activation is None or str(getattr(activation, "__module__", type(activation).__module__)).startswith(
        "keras."
    )
    axis = getattr(layer, "axis", -1)
    beside = 0 not in (axis if isinstance(axis, tuple | list) else (axis,))
    return name in _ALONE and type(layer) is getattr(keras.layers, name, None) and plain and beside


def mixes(module: Module, values: Sequence[Any], inputs: Sequence[tf.Tensor]) -> bool:
    """Whether, in training, an example's output depends on another example of its batch of at least two."""
    call = Call(training=True, seed=tf.constant([3, 5], tf.int64))
    with tf.GradientTape() as tape:
        tape.watch(list(inputs))
        y = module(joined(inputs), [tf.constant(value) for value in values], call)
        first = tf.reduce_sum(y[0])
    slopes = [slope for slope in tape.gradient(first, list(inputs)) if slope is not None]
    return any(bool(tf.reduce_any(slope[1:] != 0.0)) for slope in slopes)


def hidden_state(function: Callable[..., Any], *inputs: tf.TensorSpec) -> list[str]:
    """What a function keeps or draws by itself, found by tracing it: "operation TYPE at PLACE" each."""
    graph = tf.function(function).get_concrete_function(*inputs).graph
    found = [
        f"a tf.Variable at {internal.op.outputs[0].consumers()[0].name if internal.consumers() else internal.name}"
        for external, internal in graph.captures
        if external.dtype == tf.resource
    ]
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for each in definition.library.function for node in each.node_def)]
    found += [f"operation {node.op} at {node.name}" for node in nodes if node.op.startswith(_HIDDEN)]
    return list(dict.fromkeys(found))


def refuse_hidden(what: str, found: Sequence[str]) -> None:
    """Raise CodeError if anything was found by `hidden_state`."""
    if found:
        raise CodeError(
            f"{what} keeps or draws numbers by itself ({found[0]}), which a run that is resumed or repeated cannot know: "
            "use add_weight(trainable=False) for state, and keras.random with a keras.random.SeedGenerator for noise"
        )


# --- from the user's file --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OwnSettings:
    """What a study sets on networks of a user's function: the latent length where it is set, and the options."""

    length: int | None
    options: Mapping[str, Any]

    @property
    def latent(self) -> int:
        """Length of the latent vector."""
        return LATENT if self.length is None else self.length


@dataclass(frozen=True, kw_only=True)
class OwnNetworks(NetworkPart):
    """Networks that a function or class in a user's file makes."""

    model: str = ""

    def set(self, values: Mapping[str, Any]) -> OwnSettings:
        """The settings; whatever they are, the user's function judges them."""
        options = dict(values)
        return OwnSettings(options.pop("latent", None), options)


def part_of(name: str, make: Callable[..., Any], *, roles: Sequence[str], precision: str = "float32") -> OwnNetworks:
    """The part that a function or class of a user's file stands for.

    A function is called with (shape, latent, **options) and returns networks by name, which must be `roles`, or an object
    with `networks`, `losses` and `sample`; a class is called with the options and is such an object.
    """

    def build(settings: OwnSettings, shape: Shape) -> dict[str, Module] | OwnKind:
        source = Source(name, make, settings, shape, precision)
        made = source.make(0)
        if isinstance(made, Mapping):
            return networks_of(source, made, roles)
        return OwnKind(source, made)

    return OwnNetworks(name=name, help="networks of your own", build=build)


@dataclass(frozen=True)
class Source:
    """Where networks come from: a function or class of the user's, with its arguments."""

    name: str
    function: Callable[..., Any]
    settings: OwnSettings
    shape: Shape
    precision: str

    @property
    def file(self) -> str:
        """The user's file."""
        return self.name.partition(":")[0]

    def make(self, seed: int) -> Any:
        """What the user's function makes, with all global random states set by `seed` and put back."""
        if inspect.isclass(self.function) and self.settings.length is not None:
            raise CodeError(f"network.latent is set, but the length of {self.name} is its own attribute `latent`")
        with _seeded(seed, self.precision), self.told():
            if inspect.isclass(self.function):
                return self.function(**self.settings.options)
            return self.function(self.shape, self.settings.latent, **self.settings.options)

    def networks(self, made: Any, seed: int) -> dict[str, Any]:
        """The networks of what `make` returned: itself, or what its method `networks` gives."""
        if isinstance(made, Mapping):
            return dict(made)
        with _seeded(seed, self.precision), self.told():
            found = made.networks(self.shape)
        if not isinstance(found, Mapping) or not found:
            raise CodeError(
                f"{self.name}: networks gives {type(found).__name__}, but allowed is a dictionary of networks"
            )
        return dict(found)

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Let whatever goes wrong in the user's file be told in one sentence."""
        try:
            yield
        except CodeError:
            raise
        except Exception as error:
            raise fault(f"network.name is {self.name!r}, but", self.file, error) from error


@contextlib.contextmanager
def _seeded(seed: int, precision: str) -> Iterator[None]:
    """Keras' initial values drawn from `seed` and its layers of `precision`; then all is as before."""
    import keras

    # Keras' initializers draw from Python's and NumPy's global states
    states = (random.getstate(), np.random.get_state())  # noqa: NPY002
    policy = keras.config.dtype_policy()
    try:
        keras.utils.set_random_seed(seed)
        keras.config.set_dtype_policy(precision)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        keras.config.set_dtype_policy(policy)


def networks_of(source: Source, made: Mapping[str, Any], roles: Sequence[str]) -> dict[str, Module]:
    """Networks for a built-in kind of model, looked at once; CodeError says what is wrong with which."""
    if set(made) != set(roles):
        raise CodeError(
            f"network.name is {source.name!r}, which gives the networks {', '.join(map(str, made))}, but the model has "
            f"{', '.join(roles)}"
        )
    examples = {role: examples_of(source, role, network) for role, network in made.items()}

    def rebuilt(seed: int, role: str) -> Any:
        networks = source.networks(source.make(seed), seed)
        return _built(networks[role], examples[role], source, role)

    modules = {role: _module(source, role, _built(made[role], examples[role], source, role), rebuilt) for role in roles}
    _refuse_shared(modules)
    faults = []
    for role, module in modules.items():
        try:
            _look(source, role, module, examples[role])
        except CodeError as error:  # of every network its first
            faults.append(str(error))
    if faults:
        raise CodeError("\n".join(faults))
    return modules


def _module(source: Source, role: str, network: Any, rebuilt: Callable[[int, str], Any]) -> Module:
    import keras

    if isinstance(network, keras.Model):
        return KerasNetwork(role, network, lambda seed: rebuilt(seed, role))
    if all(hasattr(network, name) for name in ("weights", "initial", "per_example")) and callable(network):
        module: Module = network
        return module
    raise CodeError(
        f"{source.name}: network '{role}' is of type {type(network).__name__}, but allowed is a keras.Model or a "
        "harness.models.nn.layers.Network"
    )


def examples_of(source: Source, role: str, network: Any) -> list[tf.Tensor]:
    """A batch for each input of a network of the user's, in the precision of the study."""
    kind = tf.float32 if source.precision == "float32" else tf.as_dtype(source.precision.removeprefix("mixed_"))
    inputs = example_inputs(network, role, (source.settings.latent,), source.shape)
    return [tf.cast(each, kind) for each in inputs]


def example_inputs(network: Any, role: str, latent: Sequence[int], shape: Shape) -> list[tf.Tensor]:
    """A batch, float32, for each input of a network: of the shapes it declares, else of those that its role has."""
    shapes = [tuple(tensor.shape[1:]) for tensor in getattr(network, "inputs", None) or ()]
    if not shapes or any(side is None for declared in shapes for side in declared):
        shapes = _expected(role, latent, shape)[0]
    rng = np.random.default_rng(0)
    return [tf.constant(rng.uniform(-1, 1, (_EXAMPLES, *declared)).astype(np.float32)) for declared in shapes]


def _expected(role: str, latent: Sequence[int], shape: Shape) -> tuple[list[tuple[int, ...]], tuple[int, ...] | None]:
    """The shapes of inputs and output that a network of a built-in kind has; None where nothing is known of the output."""
    roles: dict[str, tuple[list[tuple[int, ...]], tuple[int, ...]]] = {
        "generator": ([tuple(latent)], shape),
        "discriminator": ([shape], (1,)),
        "encoder": ([shape], (2 * latent[0],)),
        "decoder": ([tuple(latent)], shape),
        "velocity": ([shape, (1,)], shape),
    }
    return roles.get(role, ([shape], None))


def _built(network: Any, inputs: Sequence[tf.Tensor], source: Source, role: str) -> Any:
    """The network with its variables, which a model without declared inputs makes at its first call."""
    if hasattr(network, "built") and not (network.built and network.variables):
        with source.told():
            network(*inputs)
    return network


def _refuse_shared(modules: Mapping[str, Module]) -> None:
    owners: dict[int, str] = {}
    for role, module in modules.items():
        for variable in module._variables if isinstance(module, KerasNetwork) else ():
            owner = owners.setdefault(id(variable), role)
            if owner != role:
                raise CodeError(
                    f"networks '{owner}' and '{role}' share the variable {variable.path}; each needs its own"
                )


def values_of(module: Module) -> Sequence[NDArray[np.float32]]:
    """Some weights of a network."""
    return module.values() if isinstance(module, KerasNetwork) else module.initial(np.random.default_rng(0))


def _look(source: Source, role: str, module: Module, inputs: Sequence[tf.Tensor]) -> None:
    """Raise CodeError unless a network takes and makes what its role says, hides no state, and keeps its word."""
    values = values_of(module)
    wanted, output = _expected(role, (source.settings.latent,), source.shape)
    shapes = [tuple(tensor.shape[1:]) for tensor in inputs]
    if output is not None and shapes != wanted:
        taken, given = (" and ".join(map(_shown, each)) for each in (shapes, wanted))
        raise CodeError(f"{source.name}: network '{role}' takes {taken}, but gets {given}")

    def run(training: bool) -> Callable[..., Any]:
        def forward(*given: tf.Tensor) -> Any:
            call = Call(training=training, seed=tf.constant([3, 5], tf.int64))
            return module(joined(given), [tf.constant(value) for value in values], call)

        return forward

    with source.told():
        y = run(False)(*inputs)
        if output is not None and tuple(y.shape[1:]) != output:
            raise CodeError(
                f"{source.name}: network '{role}' makes {_shown(y.shape[1:])}, but must make {_shown(output)}"
            )
        specs = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for tensor in inputs]
        for training in (True, False):
            refuse_hidden(f"{source.name}: network '{role}'", hidden_state(run(training), *specs))
        if module.per_example and mixes(module, values, inputs):
            raise CodeError(
                f"{source.name}: network '{role}' has per_example = True, but an example's output depends on others of its "
                "batch; leave it out"
            )


def _shown(shape: Sequence[Any]) -> str:
    return "x".join(str(side) for side in shape) or "one number"


# --- a kind of one's own ---------------------------------------------------------------------------------------------


class OwnKind:
    """A user's object with `networks`, `losses`, `sample` and `latent`, as a harness.models.objective.Objective."""

    def __init__(self, source: Source, thing: Any) -> None:
        """Trace losses and sample once, for their names; CodeError for what is missing or wrong."""
        self.source, self._thing = source, thing
        for name in ("networks", "losses", "sample", "latent"):
            if not hasattr(thing, name):
                raise CodeError(
                    f"network.name is {source.name!r}, which gives a {type(thing).__name__} without `{name}`; allowed are "
                    "networks by name, or an object with networks, losses, sample and latent"
                )
        if not isinstance(thing.latent, int) or thing.latent < 1:
            raise CodeError(f"{source.name}: latent is {thing.latent!r}, but allowed is a whole number from 1")
        self.latent: int = thing.latent
        self._built_networks = self._finish(source.networks(thing, 0))
        self._modules = {
            role: _module(source, role, network, lambda seed, role: self._rebuilt(seed)[role])
            for role, network in self._built_networks.items()
        }
        _refuse_shared(self._modules)
        self.losses, self.sampled = self._traced()

    def networks(self) -> Mapping[str, Module]:
        """The networks by name."""
        return self._modules

    def loss(self, nets: Mapping[str, Any], images: tf.Tensor, draw: Draw) -> Mapping[str, tf.Tensor]:
        """The user's losses."""
        with self.source.told():
            found = self._thing.losses(nets, images, draw)
            if not isinstance(found, Mapping) or not found:
                raise CodeError(f"{self.source.name}: losses gives no dictionary of losses by name")
            for name, loss in found.items():
                if getattr(loss, "shape", None) != ():
                    raise CodeError(
                        f"{self.source.name}: losses gives for {name!r} no scalar; take the mean over the batch"
                    )
        return dict(found)

    def sample(self, nets: Mapping[str, Any], latents: tf.Tensor) -> tf.Tensor:
        """The user's images."""
        with self.source.told():
            images = self._thing.sample(nets, latents)
            if tuple(images.shape[1:]) != tuple(self.source.shape):
                raise CodeError(
                    f"{self.source.name}: sample makes {_shown(images.shape[1:])}, but the data have "
                    f"{_shown(self.source.shape)}"
                )
        return images

    def _images(self) -> tf.Tensor:
        shape = (_EXAMPLES, *self.source.shape)
        return tf.constant(np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32))

    def _finish(self, networks: dict[str, Any]) -> dict[str, Any]:
        """Networks with their variables: those without declared inputs make them in a first pass through the losses."""
        if all(getattr(network, "built", True) for network in networks.values()):
            return networks
        with self.source.told():
            draw = Draw(tf.constant([3, 5], tf.int64))
            self._thing.losses({role: _open(network) for role, network in networks.items()}, self._images(), draw)
        return networks

    def _rebuilt(self, seed: int) -> dict[str, Any]:
        return self._finish(self.source.networks(self.source.make(seed), seed))

    def _traced(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the losses, and of the networks that `sample` uses."""
        values = {role: values_of(module) for role, module in self._modules.items()}
        losses: list[str] = []
        used: list[str] = []

        def resting(role: str, training: bool) -> Callable[..., Any]:
            def forward(*inputs: Any) -> Any:
                if not training and role not in used:
                    used.append(role)
                call = Call(training=training, seed=tf.constant([3, 5], tf.int64))
                return self._modules[role](joined(inputs), [tf.constant(each) for each in values[role]], call)

            return forward

        def of_images(images: tf.Tensor) -> Any:
            nets = {role: resting(role, True) for role in self._modules}
            found = self.loss(nets, images, Draw(tf.constant([3, 5], tf.int64)))
            losses[:] = list(found)
            return found

        def of_latents(latents: tf.Tensor) -> Any:
            return self.sample({role: resting(role, False) for role in self._modules}, latents)

        what = self.source.name
        kind = tf.float32 if self.source.precision == "float32" else self.source.precision.removeprefix("mixed_")
        with self.source.told():
            spec = tf.TensorSpec((_EXAMPLES, *self.source.shape), kind)
            refuse_hidden(f"{what}: losses", hidden_state(of_images, spec))
            refuse_hidden(f"{what}: sample", hidden_state(of_latents, tf.TensorSpec((None, self.latent), kind)))
        return tuple(losses), tuple(role for role in self._modules if role in used)


def _open(network: Any) -> Callable[..., Any]:
    """A network of the user's as `losses` calls it, before its variables are made."""
    if getattr(network, "inputs", None):
        return lambda *inputs: network(inputs[0] if len(inputs) == 1 else list(inputs), training=True)
    return lambda *inputs: network(*inputs, training=True)
