"""How long both sides of a verified claim take, and how much memory."""
