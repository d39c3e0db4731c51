"""What a user asks of layers beyond the shape they give, answered from numbers alone."""
