"""Recipes as configs of other trainers; the way here is pages/foreign/."""
