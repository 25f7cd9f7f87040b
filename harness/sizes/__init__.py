"""How large networks are and what training them holds, counted without loading them."""
