"""Values to text; nothing is computed here. Formats and tables know no other, and share rows, grids and words."""
