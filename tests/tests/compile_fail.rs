//! What must not compile, each with the message it gets. `TRYBUILD=overwrite` writes the messages anew.

#[test]
fn what_must_not_compile() {
    trybuild::TestCases::new().compile_fail("compile-fail/*.rs");
}
