"""The tabs of the dock of interventions."""
