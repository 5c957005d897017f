"""The commands of `nvp-studio`, one module for each subject; torch is imported inside those that compute."""
