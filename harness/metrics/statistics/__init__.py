"""Every statistical formula of the package, each once, with its source.

intervals    half-widths and ends of intervals: t, Hall, Clopper–Pearson, Zou–Donner
jackknife    pseudo-values: what one prompt adds to any statistic
variance     components of a variance, and their degrees of freedom (Welch–Satterthwaite)
paired       two results on the same prompts: t, sign flips, exchanges of images
multiple     several tests at once (Holm)
power        what a test can detect, and how many prompts it takes
noise        how far equal runs lie apart
ranks        how well a value tells two groups apart (AUC)
change       where a series of values stepped

They take and return numbers and arrays. Which number is compared with which, and what follows from
it, is the business of `decisions/`.
"""
