"""The people's door: the page, made with Gradio and mounted on the application."""

from webapp.ui.page import mount
from webapp.ui.screen import House, Site

__all__ = ["House", "Site", "mount"]
