"""Finds how the weights of one side become those of another: which entry of which tensor becomes which."""
