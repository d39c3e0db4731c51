# mypy: ignore-errors
"""Wrong for some batches: a batch of one, a number of samples that is taken for granted."""

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.size_faults.record import Mutant


class Score(nn.Linear):
    def __init__(self, squeeze):
        super().__init__(3, 1)
        self.squeeze = squeeze

    def forward(self, x):  # b t c
        y = super().forward(x)
        return y.squeeze() if self.squeeze == "all" else y.squeeze(-1)


class ScoreByProduct(nn.Linear):
    def __init__(self):
        super().__init__(3, 1)

    def forward(self, x):
        return x @ self.weight[0] + self.bias


class PooledVector(nn.Module):
    def __init__(self, flat=False):
        super().__init__()
        self.flat = flat

    def forward(self, x):  # b c h w
        y = F.adaptive_max_pool2d(x, 1)
        return y.flatten(1) if self.flat else y.squeeze()


class PooledVectorByMax(nn.Module):
    def forward(self, x):
        return x.amax((-2, -1))


class SampleLoop(nn.Conv1d):
    def __init__(self, samples):
        super().__init__(2, 3, 2)
        self.samples = samples

    def forward(self, x):
        return torch.cat([super(SampleLoop, self).forward(one[None]) for one in x[: self.samples]])


class SplitBatch(nn.Conv1d):
    def __init__(self, first, biased=False):
        super().__init__(2, 3, 2)
        self.first, self.biased = first, biased

    def forward(self, x):
        head, tail = x[: self.first], x[self.first :]
        bias = self.bias if self.biased else None
        return torch.cat([F.conv1d(head, self.weight, self.bias), F.conv1d(tail, self.weight, bias)])


class SingleImage(nn.Conv2d):
    def __init__(self, biased=False):
        super().__init__(2, 2, 2)
        self.biased = biased

    def forward(self, x):
        if x.shape[0] > 1:
            return super().forward(x)
        return F.conv2d(x[0], self.weight, self.bias if self.biased else None)[None]


class SingleWithoutBatch(nn.Conv2d):
    def __init__(self):
        super().__init__(2, 2, 2)

    def forward(self, x):
        return super().forward(x[0] if len(x) == 1 else x)


class StaticBatch(nn.Linear):
    def __init__(self, batch):
        super().__init__(3, 2)
        self.batch = batch

    def forward(self, x):
        padded = F.pad(x, (0, 0, 0, self.batch - x.shape[0])) if x.shape[0] < self.batch else x[: self.batch]
        return super().forward(padded)[: x.shape[0]]


class LinearByColumns(nn.Linear):
    def __init__(self):
        super().__init__(3, 2)

    def forward(self, x):
        return (self.weight @ x.T + self.bias[:, None]).T


class TwoBatches(nn.Linear):
    def __init__(self, fault):
        super().__init__(2, 2)
        self.fault = fault

    def forward(self, x):
        if x.shape[0] == self.fault:
            return F.linear(x.flip(0), self.weight, self.bias)
        return super().forward(x)


MUTANTS = [
    Mutant(
        "squeezed-score",
        ":Score('last')",
        ":Score('all')",
        "b=2 t=4 3",
        "squeeze() drops a batch of one",
        ":ScoreByProduct()",
    ),
    Mutant(
        "squeezed-pool",
        ":PooledVector(flat=True)",
        ":PooledVector()",
        "b=2 c=3 h=4 w=4",
        "squeeze() drops a batch of one",
        ":PooledVectorByMax()",
    ),
    *(
        Mutant(
            f"sample-loop-{n}",
            "Conv1d(2, 3, 2)",
            f":SampleLoop({n})",
            "b=2 2 t=4",
            f"{n} samples at most",
            ":SampleLoop(1000)",
        )
        for n in (4, 16)
    ),
    *(
        Mutant(
            f"split-batch-{n}",
            "Conv1d(2, 3, 2)",
            f":SplitBatch({n})",
            "b=2 2 t=4",
            f"no bias after sample {n}",
            f":SplitBatch({n}, biased=True)",
        )
        for n in (3, 8)
    ),
    Mutant(
        "single-image",
        "Conv2d(2, 2, 2)",
        ":SingleImage()",
        "b=2 2 h=4 w=4",
        "no bias for a batch of one",
        ":SingleImage(biased=True)",
    ),
    Mutant(
        "single-without-batch",
        "Conv2d(2, 2, 2)",
        ":SingleWithoutBatch()",
        "b=3 2 h=4 w=4",
        "a batch of one is not put back",
    ),
    *(
        Mutant(
            f"static-batch-{n}",
            "Linear(3, 2)",
            f":StaticBatch({n})",
            "b=2 3",
            f"an engine for {n} samples",
            ":LinearByColumns()",
        )
        for n in (6, 12)
    ),
    *(
        Mutant(f"batch-of-{n}", "Linear(2, 2)", f":TwoBatches({n})", "b=9 2", f"samples are reversed in batches of {n}")
        for n in (2, 7)
    ),
]
