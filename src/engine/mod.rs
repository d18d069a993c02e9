//! Sessions, sampling, stopping and the generation loop.
