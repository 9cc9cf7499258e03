"""Boxes of voxels from the checkpoint: signals, readers, reductions, array-likes."""
