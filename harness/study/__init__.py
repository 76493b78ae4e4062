"""Plan, runs, engine, storage: how a study is conducted (Optuna)."""
