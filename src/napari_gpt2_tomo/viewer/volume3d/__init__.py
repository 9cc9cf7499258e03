"""What the 3-D view and thick slices show beside the layers of a scan: slabs, planes, regions,
points, turning.
"""
