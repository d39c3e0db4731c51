"""Checkpoints: their tensors one by one, read and written without ever holding more than one of them."""
