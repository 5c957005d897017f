"""The window: theme, actions, pages and widgets."""
