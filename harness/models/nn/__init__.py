"""Parts of networks and of their training: layers, optimizers, stateless draws."""
