//! The program scope-mcp.
fn main() {}
