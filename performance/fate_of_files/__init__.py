"""Can a LoRA's fate be read from its file? Small trainings with known fates, and the answer."""
