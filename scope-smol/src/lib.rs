//! scope-core on async-executor and async-io: smol without the name.
