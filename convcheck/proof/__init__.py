"""A claim is proved or refuted here: one claim, many, and what is needed to."""
