//! Prints the public API of crates: one section per rustdoc JSON file given as an argument.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;

use public_api::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    println!("# The public API, one item per line. To update this file: .ci/public-api --update");
    for file in std::env::args_os().skip(1) {
        let file = Path::new(&file);
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        println!("\n## {name}\n");
        for line in items(file)? {
            println!("{line}");
        }
    }
    Ok(())
}

/// Returns the items of a crate. Blanket and auto trait implementations are omitted; of derived
/// implementations, the `impl` line is listed without its methods.
fn items(file: &Path) -> Result<Vec<String>, public_api::Error> {
    let builder = || {
        Builder::from_rustdoc_json(file).omit_blanket_impls(true).omit_auto_trait_impls(true)
    };
    let written = builder().omit_auto_derived_impls(true).build()?;
    let written: HashSet<String> = written.items().map(ToString::to_string).collect();
    let all = builder().build()?;
    let lines = all.items().map(ToString::to_string);
    Ok(lines.filter(|line| written.contains(line) || line.starts_with("impl")).collect())
}
