"""Teams and Freshchat played over real HTTP, so that the bridge can be run, shown and tested without a cloud."""

from sandbox.app import Options, Sandbox, build_app

__all__ = ["Options", "Sandbox", "build_app"]
