"""Tables of what the calculator and the catalogue answer."""
