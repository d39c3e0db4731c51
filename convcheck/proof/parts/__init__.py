"""Exact evidence where not all is polynomial: the polynomials between operators such as softmax are probed in parts."""
