"""The Teams door: who may call, what is queued, and what an activity means."""
