//! One file for each rule: the mistake, and the one error it gives.

#[test]
fn each_mistake_is_told_once() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
