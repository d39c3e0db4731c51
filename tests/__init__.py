"""Laws and tables; one file a room of the house."""
