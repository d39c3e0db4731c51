"""Operators that sum products of two or more tensors."""

from __future__ import annotations

from convcheck.tracing.reading import Call, Known, Operator, multiplied, number, product, summed


def _with_bias(call: Call) -> Known:
    """Read an operator whose last of three tensors is added to the product of the first two."""
    tensors = call.tensors
    return summed(multiplied(*tensors[:2]), *tensors[2:])


def _scaled(call: Call) -> Known:
    """Read `beta * self + alpha * a @ b`."""
    term, *factors = call.tensors
    alpha, beta = (number(1 if call[name] is None else call[name]) for name in ("alpha", "beta"))
    return summed(multiplied(term, beta), multiplied(*factors, alpha))


def _bilinear(call: Call) -> Known:
    tensors = call.tensors
    return summed(multiplied(*tensors[:3]), *tensors[3:])


def _backward(call: Call) -> Known:
    """Read the gradients of a convolution: those of its output times the weight, and times the input."""
    return multiplied(call.known("grad_output"), summed(call.known("input"), call.known("weight")))


_PRODUCT = Operator(product)
_WITH_BIAS = Operator(_with_bias)
_SCALED = Operator(_scaled, scalars=("alpha", "beta"))

OPERATORS = {
    **dict.fromkeys(["matmul", "mm", "bmm", "mv", "dot", "inner", "linalg_vecdot", "einsum", "kron"], _PRODUCT),
    **dict.fromkeys(["linalg_multi_dot", "tensordot", "_trilinear"], _PRODUCT),
    **dict.fromkeys(["linear", "convolution", "conv1d", "conv2d", "conv3d"], _WITH_BIAS),
    **dict.fromkeys(["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"], _WITH_BIAS),
    "bilinear": Operator(_bilinear),
    "convolution_backward": Operator(_backward),
    **dict.fromkeys(["addmm", "addbmm", "baddbmm", "addmv", "addr"], _SCALED),
}
