//! A deterministic runtime for tests of scope-core: one thread, a seed, virtual time.
