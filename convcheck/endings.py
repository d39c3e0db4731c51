"""How the names of configs end. pytest's plugin imports this in every project, so it holds nothing else."""

ENDINGS = (".yaml", ".yml")
