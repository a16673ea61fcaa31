//! Snapshots of expansions in `tests/expand`: `name.rs` is the input, `name.expanded.rs` the
//! expansion. `UPDATE_EXPANSIONS=1 cargo test` rewrites them.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;

use super::Macro;
use crate::operation::Operation;

/// Splits `#[macro(arguments)] item`, or `tools![…]`, into the macro, its arguments and its item.
fn read(source: &str) -> (Macro, TokenStream, TokenStream) {
    let tokens: Vec<TokenTree> =
        source.parse::<TokenStream>().expect("tokens").into_iter().collect();
    // The attribute follows the doc comments of the item.
    let find_macro = |group: &TokenStream| {
        let name = group.clone().into_iter().next().map(|token| token.to_string());
        match name.as_deref() {
            Some("tool") => Some(Macro::Tool),
            Some("toolbox") => Some(Macro::Toolbox),
            Some("provider") => Some(Macro::Provider),
            name => {
                let mut all = Operation::ALL.into_iter();
                all.find(|operation| name == Some(operation.name())).map(Macro::Operation)
            }
        }
    };
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(attribute) if attribute.delimiter() == Delimiter::Bracket => {
                let content = attribute.stream();
                let Some(which) = find_macro(&content) else { continue };
                let arguments =
                    content.into_iter().nth(1).map_or_else(TokenStream::new, |token| match token {
                        TokenTree::Group(group) => group.stream(),
                        _ => TokenStream::new(),
                    });
                let rest = tokens[..index - 1].iter().chain(&tokens[index + 1..]).cloned();
                return (which, arguments, rest.collect());
            }
            TokenTree::Ident(name) if name == "tools" => {
                let TokenTree::Group(list) = &tokens[index + 2] else { panic!("no list") };
                return (Macro::Tools, TokenStream::new(), list.stream());
            }
            _ => {}
        }
    }
    panic!("no macro in {source}")
}

fn expanded(source: &str) -> String {
    let (which, arguments, item) = read(source);
    let mut tokens = which.expand(arguments, &item);
    if let Macro::Tools = which {
        tokens = quote!(fn set() -> ToolSet { #tokens });
    }
    // An incomplete body cannot be formatted.
    syn::parse2(tokens.clone())
        .map_or_else(|_| format!("{tokens}\n"), |file| prettyplease::unparse(&file))
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let files =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    let mut cases: Vec<_> =
        files.filter(|path| !path.to_string_lossy().ends_with(".expanded.rs")).collect();
    cases.sort();
    cases
}

#[test]
fn expansions_match_their_snapshots() {
    let update = std::env::var_os("UPDATE_EXPANSIONS").is_some();
    let cases = cases();
    assert!(cases.len() >= 10, "{cases:?}");
    let mut different = Vec::new();
    for case in cases {
        let actual = expanded(&fs::read_to_string(&case).expect("a case"));
        let file = case.with_extension("expanded.rs");
        if update {
            fs::write(&file, actual).expect("the expansion can be written");
        } else if fs::read_to_string(&file).unwrap_or_default() != actual {
            different.push((case, actual));
        }
    }
    assert!(
        different.is_empty(),
        "update them with `UPDATE_EXPANSIONS=1 cargo test -p chatlas-macros`: {different:#?}"
    );
}
