//! Random tokens: a macro never panics, and its expansion contains the functions of its input, or
//! an error.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use proptest::prelude::*;
use proptest::sample::Index;

use super::Macro;
use crate::operation::Operation;

/// Typical inputs, which the tests mutate.
const ITEMS: [&str; 13] = [
    "/// Adds.\nasync fn add(/// One.\n a: i64, #[default(1)] b: Option<u8>) -> Result<i64, String> { Ok(a) }",
    "/// Queries.\nfn query(#[state] db: &Db, context: &ToolContext, text: &str, list: &[u8]) -> u8 { 1 }",
    "/// Streams.\nfn count(to: u8) -> Result<impl Stream<Item = u8> + Send, E> { stream::iter(0..to) }",
    "/// Counts.\nimpl Counter { const A: u8 = { 1 }; /// Adds.\n #[tool(name = \"x\", timeout = \"3s\")] \
     pub async fn add(&self, #[default(\"a\")] a: String) -> u8 { 1 } #[cfg(unix)] fn b() {} }",
    "impl Provider for Echo { fn info(&self) -> &ProviderInfo { &self.0 } \
     async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> { todo!() } }",
    "#[derive(Debug)] pub struct Groq;",
    "with app.clone() => a, b::c, ..toolbox, ..Counter::new(1), dyn loaded, dyn vec![x]",
    "crate = elsewhere; a, self::b",
    "name = \"a\", read_only, destructive = false, like = a::B, quirks = c(d), tools(e), timeout = \"1h\", strict",
    "/// Finds.\nasync fn find(&self, #[input] query: &str, top_k: usize) -> Result<Vec<Document>, E> { all(query)? }",
    "impl MemoryStore for S { async fn search(&self, query: &str, _: usize) -> Result<Vec<MemoryRecord>, OperationError> { \
     todo!() } async fn delete(&self, ids: Vec<String>) -> Result<(), OperationError> { Ok(()) } }",
    "conversation = a.b, skip(query, output), fields(app.id = x, \"y\" = 1), labels(\"a\", \"b\"), tool, store = \"s\"",
    "unsafe extern \"C\" fn f<'a, T: ?Sized + 'a>(mut a: &'a mut T, _: ...) -> impl Fn() where T: X { x }",
];

/// Returns every token of the inputs: groups, and the tokens inside them.
fn vocabulary() -> Vec<TokenTree> {
    fn add(tokens: TokenStream, all: &mut Vec<TokenTree>) {
        for token in tokens {
            if let TokenTree::Group(group) = &token {
                add(group.stream(), all);
            }
            all.push(token);
        }
    }
    let mut all = Vec::new();
    for item in ITEMS {
        add(item.parse().expect("tokens"), &mut all);
    }
    all
}

/// A change of a token.
#[derive(Clone, Debug)]
enum Change {
    Remove,
    Double,
    Replace(Index),
    Insert(Index),
    /// Puts a group around the token.
    Wrap(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Remove),
        Just(Change::Double),
        any::<Index>().prop_map(Change::Replace),
        any::<Index>().prop_map(Change::Insert),
        any::<u8>().prop_map(Change::Wrap),
    ]
}

/// Applies the change to the token at an index, which counts through all groups.
fn apply(
    tokens: TokenStream,
    left: &mut usize,
    change: &Change,
    words: &[TokenTree],
) -> TokenStream {
    let mut changed = TokenStream::new();
    for token in tokens {
        let here = *left == 0;
        *left = left.wrapping_sub(1);
        let token = match token {
            TokenTree::Group(group) => {
                let inside = apply(group.stream(), left, change, words);
                TokenTree::Group(Group::new(group.delimiter(), inside))
            }
            other => other,
        };
        if !here {
            changed.extend([token]);
            continue;
        }
        match change {
            Change::Remove => {}
            Change::Double => changed.extend([token.clone(), token]),
            Change::Replace(index) => changed.extend([index.get(words).clone()]),
            Change::Insert(index) => changed.extend([index.get(words).clone(), token]),
            Change::Wrap(kind) => {
                let delimiter =
                    [Delimiter::Brace, Delimiter::Bracket, Delimiter::Parenthesis, Delimiter::None]
                        [usize::from(*kind) % 4];
                changed.extend([TokenTree::Group(Group::new(delimiter, token.into()))]);
            }
        }
    }
    changed
}

fn count(tokens: TokenStream) -> usize {
    let inside = |token| match token {
        TokenTree::Group(group) => 1 + count(group.stream()),
        _ => 1,
    };
    tokens.into_iter().map(inside).sum()
}

/// Generates one of the inputs with some mutations.
fn mutated() -> impl Strategy<Value = TokenStream> {
    let changes = proptest::collection::vec((any::<Index>(), change()), 0..6);
    (0..ITEMS.len(), changes).prop_map(|(item, changes)| {
        let words = vocabulary();
        let mut tokens: TokenStream = ITEMS[item].parse().expect("tokens");
        for (index, change) in changes {
            let count = count(tokens.clone());
            if count > 0 {
                tokens = apply(tokens, &mut index.index(count), &change, &words);
            }
        }
        tokens
    })
}

/// Generates tokens in any order.
fn noise() -> impl Strategy<Value = TokenStream> {
    proptest::collection::vec(any::<Index>(), 0..12).prop_map(|indices| {
        let words = vocabulary();
        indices.iter().map(|index| index.get(&words).clone()).collect()
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => mutated(), 1 => noise()].prop_map(|tokens| tokens.to_string())
}

fn macros() -> impl Strategy<Value = Macro> {
    prop_oneof![
        Just(Macro::Tool),
        Just(Macro::Toolbox),
        Just(Macro::Provider),
        Just(Macro::Tools),
        proptest::sample::select(&Operation::ALL[..]).prop_map(Macro::Operation),
    ]
}

/// Returns the names of the functions in an item.
fn functions(item: &TokenStream) -> Vec<String> {
    match syn::parse2::<syn::Item>(item.clone()) {
        Ok(syn::Item::Fn(function)) => vec![function.sig.ident.to_string()],
        Ok(syn::Item::Impl(block)) => {
            let functions = block.items.iter().filter_map(|item| match item {
                syn::ImplItem::Fn(function) => Some(function.sig.ident.to_string()),
                _ => None,
            });
            functions.collect()
        }
        _ => Vec::new(),
    }
}

fn has_word(tokens: &TokenStream, word: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => has_word(&group.stream(), word),
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn macros_never_panic_and_keep_all_functions(
        which in macros(),
        arguments in prop_oneof![Just(String::new()), text()],
        item in text(),
    ) {
        // As text, so that a failure is readable.
        let (Ok(arguments), Ok(item)) = (arguments.parse(), item.parse::<TokenStream>()) else {
            return Ok(());
        };
        let expansion = which.expand(arguments, &item);
        let failed = has_word(&expansion, "compile_error");
        if let Macro::Tools = which {
            prop_assert!(failed || syn::parse2::<syn::Expr>(expansion).is_ok());
            return Ok(());
        }
        for name in functions(&item) {
            prop_assert!(has_word(&expansion, name.trim_start_matches("r#")), "{name} is missing");
        }
        // A body is unchanged, so an incomplete one does not parse.
        if !failed && syn::parse2::<syn::Item>(item).is_ok() {
            let parsed = syn::parse2::<syn::File>(expansion.clone());
            prop_assert!(parsed.is_ok(), "not a file: {expansion}");
        }
    }
}
