# mypy: ignore-errors
"""Products of tensors in another order, and scans as convolutions."""

import torch
from torch import nn

from benchmarks.own_code.record import Pair


# S4D: step by step
class DiagonalScan(nn.Module):
    def __init__(self, d, n):
        super().__init__()
        self.A = nn.Parameter(torch.rand(d, n))
        self.B = nn.Parameter(torch.randn(d, n))
        self.C = nn.Parameter(torch.randn(d, n))
        self.D = nn.Parameter(torch.ones(d))

    def forward(self, u):  # b d l
        state = u.new_zeros(u.shape[0], *self.A.shape)
        ys = []
        for k in range(u.shape[-1]):
            state = self.A * state + self.B * u[:, :, k, None]
            ys.append((state * self.C).sum(-1))
        return torch.stack(ys, -1) + self.D[:, None] * u


# the same as a convolution
class DiagonalKernel(nn.Module):
    first = 0

    def __init__(self, d, n):
        super().__init__()
        self.A = nn.Parameter(torch.rand(d, n))
        self.B = nn.Parameter(torch.randn(d, n))
        self.C = nn.Parameter(torch.randn(d, n))
        self.D = nn.Parameter(torch.ones(d))

    def forward(self, u):
        L = u.shape[-1]
        powers = torch.stack([self.A**k for k in range(self.first, L + self.first)], -1)
        kernel = torch.einsum("dn,dn,dnl->dl", self.C, self.B, powers)
        toeplitz = torch.stack([nn.functional.pad(kernel, (k, 0))[:, :L] for k in range(L)], 1)
        return torch.einsum("bdk,dkl->bdl", u, toeplitz) + u * self.D[:, None]


class DiagonalKernelOneLate(DiagonalKernel):
    first = 1


# AlphaFold
class OuterProductMean(nn.Module):
    def __init__(self, c_m, c_hidden, c_z):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(c_m, c_hidden), nn.Linear(c_m, c_hidden)
        self.linear_out = nn.Linear(c_hidden**2, c_z)

    def forward(self, m):  # batch, sequences, residues, channels
        a, b = self.linear_1(m), self.linear_2(m)
        outer = torch.einsum("bsic,bsjd->bijcd", a, b)
        return self.linear_out(outer.flatten(-2) / m.shape[1])


class OuterProductMatmul(nn.Module):
    def __init__(self, c_m, c_hidden, c_z):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(c_m, c_hidden), nn.Linear(c_m, c_hidden)
        self.linear_out = nn.Linear(c_hidden**2, c_z)

    def average(self, x):
        return x.mean(1)

    def forward(self, m):
        a, b = self.linear_1(m), self.linear_2(m)
        outer = a[:, :, :, None, :, None] * b[:, :, None, :, None, :]
        return self.linear_out(self.average(outer).flatten(-2))


class OuterProductSum(OuterProductMatmul):
    def average(self, x):
        return x.sum(1)


# deep complex networks: real and imaginary part as two Linears
class ComplexLinear(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.fc_r, self.fc_i = nn.Linear(d_in, d_out, bias=False), nn.Linear(d_in, d_out, bias=False)

    def forward(self, re, im):
        return torch.stack([self.fc_r(re) - self.fc_i(im), self.fc_r(im) + self.fc_i(re)], -1)


# three products in place of four
class ComplexLinearGauss(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.a = nn.Parameter(torch.randn(d_out, d_in))
        self.b = nn.Parameter(torch.randn(d_out, d_in))

    def join(self, k1, k2, k3):
        return torch.stack([k1 - k3, k1 + k2], -1)

    def forward(self, re, im):
        k1 = (re + im) @ self.a.T
        k2 = re @ (self.b - self.a).T
        k3 = im @ (self.a + self.b).T
        return self.join(k1, k2, k3)


class ComplexLinearGaussConjugate(ComplexLinearGauss):
    def join(self, k1, k2, k3):
        return torch.stack([k1 - k3, -k1 - k2], -1)


class BilinearMatmul(nn.Module):
    def __init__(self, in1, in2, out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, in1, in2))
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x1, x2):
        y = torch.matmul(x1[:, None, None, :], self.weight)  # b o 1 j
        return (y.squeeze(2) * x2[:, None, :]).sum(-1) + self.bias


class BilinearMatmulTransposed(BilinearMatmul):
    def forward(self, x1, x2):
        y = torch.matmul(self.weight, x1[:, None, :, None])
        return (y.squeeze(3) * x2[:, None, :]).sum(-1) + self.bias


PAIRS = (
    Pair(
        "a diagonal state space as a convolution",
        ":DiagonalScan(3, 2)",
        ":DiagonalKernel(3, 2)",
        ("2,3,5",),
        "the kernel begins one power late",
        ":DiagonalKernelOneLate(3, 2)",
    ),
    Pair(
        "the mean of outer products",
        ":OuterProductMean(4, 2, 3)",
        ":OuterProductMatmul(4, 2, 3)",
        ("1,4,3,4",),
        "the sum in place of the mean",
        ":OuterProductSum(4, 2, 3)",
    ),
    Pair(
        "a complex Linear by three products",
        ":ComplexLinear(4, 3)",
        ":ComplexLinearGauss(4, 3)",
        ("2,4", "2,4"),
        "the imaginary part has the other sign",
        ":ComplexLinearGaussConjugate(4, 3)",
        {"a": "fc_r.weight", "b": "fc_i.weight"},
    ),
    Pair(
        "nn.Bilinear by a matrix product",
        "torch.nn:Bilinear(4, 4, 3)",
        ":BilinearMatmul(4, 4, 3)",
        ("2,4", "2,4"),
        "the forms are transposed",
        ":BilinearMatmulTransposed(4, 4, 3)",
    ),
)
