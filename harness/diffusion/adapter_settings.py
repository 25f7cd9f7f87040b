"""Where files keep PEFT's settings: rank, alpha and their exceptions."""

SETTINGS = "lora_adapter_metadata"
"""Where diffusers looks for rank and alpha in a file's metadata."""
