//! One file for each rule: the mistake, and the errors of the compiler.

use std::fs;
use std::path::Path;

#[test]
fn each_mistake_has_one_error() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

#[test]
fn errors_name_public_items_only() {
    let internal = [
        "__private",
        "chatlas_core::tool::args",
        "chatlas_core::tool::function",
        "chatlas_core::tool::returned",
        "chatlas_core::tool::state",
        "chatlas_core::tool::stream",
        "chatlas_core::tool::toolbox",
        "`__",
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut checked = 0;
    for entry in fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "stderr") {
            continue;
        }
        let errors = fs::read_to_string(&path).expect("a text file");
        for name in internal {
            // The name of such a method is the advice if the attribute is missing.
            let advice = |attribute| format!("`__write_the_attribute_{attribute}_above_this_impl");
            let attributes = ["provider", "retriever", "memory", "hosted_agent"];
            let without = |text: String, attribute| text.replace(&advice(attribute), "");
            let errors = attributes.into_iter().fold(errors.clone(), without);
            assert!(!errors.contains(name), "`{name}` in {}: {errors}", path.display());
        }
        checked += 1;
    }
    assert!(checked > 80, "{checked}");
}
