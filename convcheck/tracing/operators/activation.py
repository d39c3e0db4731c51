"""Operators that are no polynomials, with what they do."""

from __future__ import annotations

from convcheck.tracing.reading import Call, Known, NotPolynomial, Operator

_WHY = {
    "cuts off": "relu relu6 hardtanh clamp clamp_min clamp_max clip leaky_relu prelu hardshrink softshrink threshold",
    "is piecewise": "abs sign hardswish hardsigmoid floor ceil round trunc frac fmod remainder floor_divide rrelu",
    "is transcendental": "gelu silu mish elu selu celu sigmoid tanh softplus log_sigmoid exp exp2 expm1 log log2 log10 "
    "log1p sin cos tan asin acos atan atan2 sinh cosh erf erfc erfinv logit logsumexp logcumsumexp xlogy glu hypot",
    "divides by a sum of exponentials": "softmax _softmax log_softmax _log_softmax scaled_dot_product_attention "
    "_scaled_dot_product_flash_attention_for_cpu _safe_softmax",
    "divides by a standard deviation": "layer_norm native_layer_norm group_norm native_group_norm instance_norm "
    "rms_norm _fused_rms_norm _native_batch_norm_legit _native_batch_norm_legit_functional native_batch_norm std",
    "takes a norm": "norm linalg_vector_norm linalg_matrix_norm frobenius_norm cdist _cdist_forward cosine_similarity",
    "chooses the largest or smallest": "max min amax amin maximum minimum max_pool1d max_pool2d max_pool3d "
    "max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d "
    "argmax argmin aminmax",
    "sorts": "sort topk argsort median nanmedian kthvalue mode msort quantile",
}


def _refusing(why: str) -> Operator:
    def read(_: Call) -> Known:
        raise NotPolynomial(why)

    return Operator(read)


OPERATORS = {name: _refusing(why) for why, names in _WHY.items() for name in names.split()}
