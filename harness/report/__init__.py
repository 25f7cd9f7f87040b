"""Any result or decision as text, Markdown, HTML or JUnit."""
