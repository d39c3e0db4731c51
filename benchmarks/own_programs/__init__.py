"""Random programs of tensor operations, others that are equal to them by laws of algebra, and an exact oracle."""
