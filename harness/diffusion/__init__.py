"""Training and sampling of latent diffusion models, in the real diffusers classes."""
