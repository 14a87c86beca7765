"""The application: settings, the chat turn as a service, and its doors (page, API)."""
