"""Parts to voxels: layouts, virtual volumes, reductions, overviews, atlases."""
