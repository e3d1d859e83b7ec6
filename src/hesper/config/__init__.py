"""Configuration of an application."""
