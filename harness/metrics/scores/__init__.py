"""The metrics, one file per metric or per two that share their work."""
