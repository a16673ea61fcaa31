//! Odd but right: shapes that a user may write.
#![deny(
    warnings,
    missing_docs,
    unsafe_code,
    clippy::pedantic,
    clippy::nursery,
    clippy::cargo,
    unused_qualifications,
    elided_lifetimes_in_paths,
    missing_debug_implementations,
    missing_copy_implementations,
    unreachable_pub,
    single_use_lifetimes,
    unused_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    let_underscore_drop,
    unused_results,
    unused_import_braces,
    explicit_outlives_requirements,
    macro_use_extern_crate,
    meta_variable_misuse,
    redundant_lifetimes,
    unit_bindings,
    variant_size_differences,
    absolute_paths_not_starting_with_crate,
    unsafe_op_in_unsafe_fn,
    unused_crate_dependencies,
    keyword_idents,
    non_ascii_idents,
)]
#![allow(unused_crate_dependencies)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use chatlas_core::{ToolCall, ToolSet};
use chatlas_macros::{tool, toolbox, tools};
use serde_json::json;

/// What a library shows, under every lint.
pub mod lints {
    use chatlas_macros::{tool, toolbox, tools};
    use futures_core::Stream;
    /// Adds.
    #[tool]
    pub fn add(a: u8, b: &str, c: &[String], d: Option<u8>) -> String { format!("{a}{b}{c:?}{d:?}") }
    /// Adds.
    #[tool]
    pub async fn add2(a: u8, b: &str, c: &[String], d: Option<u8>) -> Result<String, std::io::Error> {
        std::future::ready(()).await;
        Ok(format!("{a}{b}{c:?}{d:?}")) }
    /// Streams.
    #[tool]
    pub fn stream(n: u8) -> impl Stream<Item = u8> { futures_util::stream::iter(0..n) }
    /// Streams.
    #[tool]
    pub async fn streams(n: u8) -> Result<impl Stream<Item = Result<u8, String>>, String> {
        std::future::ready(()).await;
        if n == 0 { return Err("x".to_owned()); }
        Ok(futures_util::stream::iter(0..n).map(Ok)) }
    use futures_util::StreamExt as _;
    /// State.
    #[tool]
    pub async fn state(#[state] db: &String, #[default(3)] x: u8, ctx: &chatlas_core::ToolContext) -> String {
        std::future::ready(()).await;
        format!("{db}{x}{}", ctx.call_id())
    }
    /// Box.
    #[derive(Clone, Debug)]
    pub struct Desk { name: String }
    #[toolbox]
    impl Desk {
        /// New.
        #[must_use]
        pub const fn new(name: String) -> Self { Self { name } }
        /// Rings.
        #[tool]
        #[must_use]
        pub fn ring(&self, n: u8) -> String { self.name.repeat(usize::from(n)) }
        /// Rings.
        #[tool]
        pub async fn ring2(&self, n: u8) -> Result<String, String> { std::future::ready(()).await; Ok(self.name.repeat(usize::from(n))) }
        /// Streams.
        #[tool]
        pub fn strm(&self) -> impl Stream<Item = u8> + use<> { futures_util::stream::iter(0..3) }
        /// None of self.
        #[tool]
        pub fn no() -> u8 { 3 }
    }
    /// All.
    #[must_use]
    pub fn all() -> chatlas_core::ToolSet {
        tools![with "db".to_owned() => add, add2, stream, streams, state, ..Desk::new("x".to_owned())]
    }
}

async fn call(tools: &ToolSet, name: &str, arguments: serde_json::Value) -> String {
    let out = tools.get(name).unwrap_or_else(|| panic!("{name}")).call(ToolCall::new("1", arguments)).await;
    format!("{out:?}")
}

#[tokio::test]
async fn lints_are_kept() {
    let _t = lints::all();
}

/// Says it.
#[tool]
fn says(self_: u8, context: u8, span: u8, output: u8, args: u8, value: u8, stream: u8, error: u8, r#type: String, r#fn: u8) -> String {
    format!("{self_}{context}{span}{output}{args}{value}{stream}{error}{type}{fn}", r#type = r#type, r#fn = r#fn)
}
/// Says it.
#[tool]
async fn says2(self_: u8, context: u8, span: u8, output: u8, args: u8, value: u8, stream: u8, error: u8, r#type: String, mut r#fn: u8) -> String {
    std::future::ready(()).await;
    r#fn += 1;
    format!("{self_}{context}{span}{output}{args}{value}{stream}{error}{type}{fn}", r#type = r#type, r#fn = r#fn)
}
/// Raw.
#[tool]
fn r#match(r#loop: Option<String>) -> u8 { r#loop.map_or(0, |_| 1) }

type Cows = Cow<'static, str>;
/// Cow.
#[tool]
fn cow(a: Cow<'static, str>, b: Cows, c: BTreeMap<String, [u8; 2]>, d: &(u8, String), e: &Vec<u8>, f: &Option<u8>) -> Cow<'static, str> {
    Cow::Owned(format!("{a}{b}{c:?}{d:?}{e:?}{f:?}"))
}
/// Static.
#[tool]
fn constant() -> &'static str { "x" }
/// Static.
#[tool]
async fn constant_async() -> &'static [u8] { std::future::ready(()).await; &[1] }
/// Borrows its argument.
#[tool]
fn trimmed(text: &str) -> &str { text.trim() }
/// Borrows its argument.
#[tool]
async fn trimmed_async(text: &str) -> &str { std::future::ready(()).await; text.trim() }
/// Borrows its argument.
#[tool]
async fn trimmed_async2(text: &str) -> Result<Option<&str>, String> { std::future::ready(()).await; Ok(Some(text.trim())) }
/// Cow from arg
#[tool]
fn cowed(text: &str) -> Cow<'_, str> { text.trim().into() }
/// Iterates
#[tool]
fn words(text: &str) -> Vec<&str> { text.split(' ').collect() }
/// Borrows the context and text (named in return type).
#[tool]
async fn both(text: String, context: &chatlas_core::ToolContext) -> String { std::future::ready(()).await; format!("{text}{}", context.call_id()) }
#[doc = concat!("Con", "cat")]
#[doc = " Then `code` \"quoted\" \\ back"]
///
/// # Heading
///
/// - list {braces} and %s
/** block
 * comment
 */
#[tool]
fn documented(
    /// First paragraph "quoted".
    ///
    /// Second.
    #[doc = "more"]
    a: u8) -> u8 { a }
/// Boxed.
#[tool]
fn boxed_error(n: u8) -> Result<u8, Box<dyn std::error::Error>> { if n == 0 { return Err("zero".into()) } Ok(n) }
/// Boxed.
#[tool]
async fn boxed_error2(n: u8) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> { std::future::ready(()).await; if n == 0 { return Err("zero".into()) } Ok(n) }
/// Cfg'd.
#[tool]
fn with_cfg(a: u8, #[cfg(not(test))] b: u8, #[cfg(test)] #[default(2)] c: u8, #[cfg_attr(test, allow(unused))] d: Option<u8>) -> u8 { a + c }
/// Never.
#[tool]
fn infallible() -> Result<u8, std::convert::Infallible> { Ok(1) }
/// Never
#[tool]
async fn err_only() -> Result<(), String> { std::future::ready(()).await; Err("no".to_owned()) }
/// Dep
#[deprecated(note = "do not")]
#[must_use = "it"]
#[tool]
fn above() -> u8 { 1 }
/// Cfg attr
#[cfg_attr(all(), tool(name = "renamed", read_only))]
fn by_cfg_attr() -> u8 { 1 }
/// Tuple
#[tool]
fn tuple() -> (u8, String) { (1, String::new()) }
/// Parens
#[tool]
#[expect(unused_parens)]
fn parens(a: (u8)) -> (u8) { a }
/// Qualified
#[tool]
#[allow(unused_qualifications)]
fn qualified(a: std::string::String, b: std::option::Option<::std::vec::Vec<u8>>, c: &std::primitive::str) -> std::result::Result<u8, std::string::String> { drop((a,b,c)); Ok(1) }
#[test]
fn inside_function() {
    /// In here.
    #[tool]
    fn inner(a: u8) -> u8 { a }
    let set = tools![inner];
    assert_eq!(set.len(), 1);
    assert_eq!(inner(1), 1);
}
mod sup { pub(super) mod deep {
    /// Same name
    #[chatlas_macros::tool(name = "deep_inner")]
    pub(in super::super) fn inner(a: u8) -> u8 { a }
    /// Same name
    #[chatlas_macros::tool]
    pub(in crate::sup) fn renamed(a: u8) -> u8 { a }
    }
    pub(super) use deep::inner as reexported;
    pub(crate) fn t() -> chatlas_core::ToolSet { chatlas_macros::tools![deep::renamed] }
}
mod noprelude {
    #![no_implicit_prelude]
    use ::chatlas_macros::{tool, tools, toolbox};
    use ::std::string::String;
    use ::std::option::Option;
    use ::std::result::Result::{self, Ok};
    /// NP
    #[tool]
    pub(crate) async fn np(a: String, b: &str, c: Option<u8>, #[default("x")] d: &str) -> Result<String, String> { ::std::future::ready(()).await; Ok(::std::format!("{a}{b}{c:?}{d}")) }
    /// NP
    #[tool]
    pub(crate) fn np2(a: String, #[default(1)] b: u8) -> String { ::std::format!("{a}{b}") }
    /// NP
    #[tool]
    pub(crate) fn st() -> Result<impl ::futures_core::Stream<Item = u8>, String> { Ok(::futures_util::stream::iter([1u8])) }
    pub(crate) struct B;
    #[toolbox] impl B {
        /// NP
        #[tool]
        pub(crate) fn npm(&self, a: String, #[default(1)] b: u8) -> String { ::std::format!("{a}{b}") }
    }
    pub(crate) fn set() -> ::chatlas_core::ToolSet { tools![np, np2, st, ..B] }
    #[allow(dead_code)]
    pub(crate) struct P;
    #[::chatlas_macros::provider(name = "np")]
    impl ::chatlas_core::Provider for P {
        async fn chat(&self, _: ::chatlas_core::ChatRequest) -> Result<::chatlas_core::Completion, ::chatlas_core::ProviderError> { Ok(::std::default::Default::default()) }
    }
}
mod shadows {
    #![allow(dead_code, non_camel_case_types, missing_debug_implementations, missing_copy_implementations)]
    pub(crate) mod chatlas {}
    pub(crate) mod chatlas_core {}
    pub(crate) mod chatlas_macros {}
    pub(crate) mod std {}
    pub(crate) mod core {}
    pub(crate) mod serde {}
    pub(crate) struct Value; pub(crate) struct Tool; pub(crate) struct Into; pub(crate) struct Default; pub(crate) struct Result; pub(crate) struct Future; pub(crate) struct bool; pub(crate) struct u64;
    pub(crate) struct usize;
    /// X
    #[::chatlas_macros::tool]
    pub(crate) async fn x(a: u8, #[default(3)] b: u8) -> u8 { ::std::future::ready(a + b).await }
    /// X
    #[::chatlas_macros::tool]
    pub(crate) fn y(a: u8, #[default(3)] b: u8) -> u8 { a + b }
    pub(crate) struct B;
    #[::chatlas_macros::toolbox] impl B {
        /// NP
        #[tool]
        pub(crate) fn npm(&self, a: u8, #[default(1)] b: u8) -> u8 { a + b }
    }
    pub(crate) fn set() -> ::chatlas_core::ToolSet { ::chatlas_macros::tools![x, y, ..B] }
}
macro_rules! make_tool {
    ($(#[$m:meta])* $name:ident, $arg:ident : $ty:ty, $def:expr, $lit:literal, $body:expr) => {
        $(#[$m])*
        #[tool(name = $lit)]
        fn $name($arg: $ty, #[default($def)] other: u8, local: &[$ty]) -> $ty { let _ = (other, local); let x = $arg; x + $body }
    };
    (b $name:ident $(, $m:ident : $ret:ty = $b:block)*) => {
        #[toolbox] impl $name { $(
            /// Made.
            #[tool] fn $m(&self, output: u8, span: u8) -> $ret { let _ = (output, span); $b } )* }
    };
    (d $name:ident $doc:literal) => {
        #[doc = $doc]
        #[tool]
        async fn $name(span: u8, output: u8) -> Result<u8, String> { std::future::ready(()).await; Ok(span + output) }
    };
    (list $($p:path),*) => { tools![$($p),*] };
}
make_tool!(/** Makes. */ made, number: u32, 3, "made_it", 7);
make_tool!(d made2 "documented by literal");
struct Made;
#[allow(unused_braces)]
const _: () = { let _ = Made; };
make_tool!(b Made, one: u8 = { let x = 1; x }, two: Option<u8> = { let x = 2; Some(x) });
macro_rules! plain { ($n:ident $b:block) => { #[allow(dead_code)] fn $n() -> u8 { let _ = 1; $b } }; }
plain!(plain_braces { 3 });

/// Traced.
#[tool]
#[expect(clippy::let_and_return)]
fn expecting(a: u8) -> u8 { let b = a; b }

#[tokio::test]
async fn all_answer() {
    let set = tools![says, says2, r#match, cow, constant, constant_async, trimmed, trimmed_async, trimmed_async2, cowed, words, both, documented, boxed_error, boxed_error2, with_cfg, infallible, err_only, by_cfg_attr, tuple, parens, qualified, sup::reexported];
    println!("{}", call(&set, "cow", json!({"a": "a", "b": "b", "c": {"x": [1,2]}, "d": [1, "s"], "e": [1], "f": null})).await);
    for t in set.iter() { println!("{} {:?} {}", t.definition().name, t.definition().description, t.definition().parameters); }
    for set in [noprelude::set(), shadows::set(), sup::t(), tools![made, made2, ..Made], make_tool!(list made, sup::reexported)] {
    for t in set.iter() { println!("{} {:?} {}", t.definition().name, t.definition().description, t.definition().parameters); }
    }
}
