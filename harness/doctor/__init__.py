"""Whether this machine trains as it should, and what to set on it: facts, a self-test, advice (docs/gpu.md)."""
