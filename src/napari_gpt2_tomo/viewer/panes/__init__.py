"""Four linked views of a scan: axial, coronal, sagittal and 3-D."""

from .views import FourViews, close_views, open_views, toggle_views, views_of

__all__ = ["FourViews", "close_views", "open_views", "toggle_views", "views_of"]
