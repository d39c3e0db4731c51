"""Torch modules: of a layer, Patchify and Unpatchify, small parts of candidates."""
