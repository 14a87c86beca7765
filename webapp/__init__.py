"""The application: settings, the chat turn as a service, and its doors (page, API)."""

VERSION = "0.2.0"
