"""Invertible maps between parameters and voxels. Pure arithmetic, no I/O."""
