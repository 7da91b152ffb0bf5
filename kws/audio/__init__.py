"""Everything up to mono float32 blocks: files, pipes, microphones, resampling, the noise floor."""
