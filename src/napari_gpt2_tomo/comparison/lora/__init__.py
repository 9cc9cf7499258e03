"""LoRA adapters over their base model: what they change, computed where it is read."""

from .merged import AdaptedCheckpoint, adapted, is_adapter

__all__ = ["AdaptedCheckpoint", "adapted", "is_adapter"]
