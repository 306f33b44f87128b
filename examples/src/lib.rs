//! One rule per example.
