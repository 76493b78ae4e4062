"""What is drawn: by Philox wherever it is drawn, so the same numbers in a plain graph and in one that XLA compiles."""

import ast
from pathlib import Path

import numpy as np
import tensorflow as tf

import harness
from harness.models.nn import draws

PACKAGE = Path(harness.__file__).parent
SEED = tf.constant([2**62 + 12345, 2**47 + 4096 * 987_654 + 3], tf.int64)


KINDS = {
    "words": (tf.uint32, (1001,)),
    "uniform": (tf.float32, (33, 7)),
    "integers": (tf.int32, (1001,)),
    "normal": (tf.float32, (33, 7)),
}


def drawn(seed):
    """A draw of each kind, of odd sizes."""
    return {
        "words": draws.words((1001,), seed),
        "uniform": draws.uniform((33, 7), seed),
        "integers": draws.integers((1001,), seed, below=1437),
        "normal": draws.normal((33, 7), seed),
    }


def in_a_loop(*, compiled):
    """Draws of three steps, made within one loop, as training makes them."""

    def chunk():
        with draws.by_xla(compiled):
            arrays = [tf.TensorArray(kind, size=3, element_shape=shape) for kind, shape in KINDS.values()]

            def body(step, *arrays):
                made = drawn(SEED + tf.stack([tf.constant(0, tf.int64), 4096 * tf.cast(step, tf.int64)]))
                return step + 1, *(each.write(step, part) for each, part in zip(arrays, made.values(), strict=True))

            _, *written = tf.while_loop(lambda step, *_: step < 3, body, (tf.constant(0), *arrays))
            found = {name: array.stack() for name, array in zip(KINDS, written, strict=True)}
        return found

    return {name: each.numpy() for name, each in tf.function(chunk, jit_compile=compiled or None)().items()}


def test_a_compiled_loop_draws_what_the_plain_one_draws():
    plain, compiled = in_a_loop(compiled=False), in_a_loop(compiled=True)
    for name in ("words", "uniform", "integers"):
        np.testing.assert_array_equal(compiled[name], plain[name])
    # The same words; the last bits of logarithms, sines and cosines are each compiler's own.
    np.testing.assert_allclose(compiled["normal"], plain["normal"], rtol=0, atol=4e-6)
    assert len(np.unique(plain["normal"])) == plain["normal"].size


def test_numbers_are_those_that_were_drawn_before_the_algorithm_was_named():
    """Committed results rest on TensorFlow's own choice for a processor, which is Philox."""
    found = drawn(SEED)
    stateless = tf.random.stateless_uniform
    np.testing.assert_array_equal(found["words"], stateless((1001,), SEED, None, None, tf.uint32))
    np.testing.assert_array_equal(found["uniform"], stateless((33, 7), SEED))
    np.testing.assert_array_equal(found["integers"], stateless((1001,), SEED, 0, 1437, tf.int32))
    np.testing.assert_array_equal(found["normal"], tf.random.stateless_normal((33, 7), SEED))


def test_no_random_draw_of_tensorflow_is_without_a_named_algorithm():
    for path in PACKAGE.rglob("*.py"):
        code = path.read_text(encoding="utf-8")
        if ".random." not in code and "StatelessRandom" not in code:
            continue
        for node in ast.walk(ast.parse(code)):
            where = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Attribute) and node.attr.startswith("StatelessRandom"):
                assert path == Path(draws.__file__), where  # where their `alg` is Philox
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("tf.random."):
                named = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert named.get("alg") == "'philox'" or node.func.attr == "set_seed", where
