"""Results to text. These modules compute nothing; siblings do not know each other, save for the grid they share."""
