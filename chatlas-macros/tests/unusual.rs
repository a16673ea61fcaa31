//! Unusual, but right: tools that are written by macros, documented from files, named like what an
//! expansion uses, or in modules without a prelude, under every lint that a program may turn on.

#![deny(
    warnings,
    clippy::nursery,
    clippy::pedantic,
    elided_lifetimes_in_paths,
    let_underscore_drop,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    unreachable_pub,
    unsafe_code,
    unused_lifetimes,
    unused_qualifications,
    unused_results
)]
// The opposite of `unreachable_pub`.
#![allow(clippy::redundant_pub_crate)]

use chatlas_core::{ToolCall, ToolDefinition, ToolOutput, ToolSet};
use chatlas_macros::{tool, toolbox, tools};
use serde_json::{Value, json};

async fn call(tools: &ToolSet, name: &str, arguments: Value) -> Value {
    let tool = tools.get(name).expect("a tool of this name");
    match tool.call(ToolCall::new("call-1", arguments)).await {
        Ok(ToolOutput::Value(value)) => value,
        other => panic!("no value: {other:?}"),
    }
}

fn definition<'a>(tools: &'a ToolSet, name: &str) -> &'a ToolDefinition {
    tools.get(name).expect("a tool of this name").definition()
}

/// What a library shows.
pub mod shown {
    use std::borrow::Cow;

    use chatlas_macros::{tool, toolbox};
    use futures_core::Stream;
    use futures_util::stream;

    /// Is told as it is.
    #[tool]
    pub fn constant() -> &'static str {
        "constant"
    }

    /// Borrows what it was given.
    #[tool]
    pub fn trimmed(text: &str) -> Cow<'_, str> {
        text.trim().into()
    }

    /// Borrows what it was given, in parts.
    #[tool]
    pub async fn words(text: &str) -> Result<Vec<&str>, std::fmt::Error> {
        std::future::ready(Ok(text.split(' ').collect())).await
    }

    /// Counts.
    #[tool]
    pub async fn count(to: u8) -> Result<impl Stream<Item = Result<u8, String>>, String> {
        std::future::ready(()).await;
        Ok(stream::iter((0..to).map(Ok)))
    }

    /// A name.
    #[derive(Clone, Debug)]
    pub struct Desk(String);

    #[toolbox]
    impl Desk {
        /// A desk of that name.
        #[must_use]
        pub const fn new(name: String) -> Self {
            Self(name)
        }

        /// Tells its name.
        #[tool]
        pub fn name(&self) -> &str {
            &self.0
        }

        /// Is the same for all desks.
        #[tool]
        pub fn legs() -> u8 {
            4
        }
    }
}

#[tokio::test]
async fn what_a_tool_returns_may_be_borrowed() {
    use shown::{Desk, constant, count, trimmed, words};

    let tools = tools![constant, trimmed, words, count, ..Desk::new("oak".to_owned())];
    assert_eq!(call(&tools, "constant", json!({})).await, "constant");
    assert_eq!(call(&tools, "trimmed", json!({"text": " a "})).await, "a");
    assert_eq!(call(&tools, "words", json!({"text": "a b"})).await, json!(["a", "b"]));
    assert_eq!(call(&tools, "count", json!({"to": 3})).await, 2);
    assert_eq!(call(&tools, "name", json!({})).await, "oak");
    assert_eq!(call(&tools, "legs", json!({})).await, 4);
}

mod names {
    use chatlas_macros::tool;

    /// Has names that an expansion might use.
    #[tool]
    #[expect(clippy::too_many_arguments)]
    pub(super) async fn r#match(
        self_: u8,
        context: u8,
        span: u8,
        output: u8,
        value: u8,
        stream: u8,
        error: u8,
        mut r#type: Vec<u8>,
    ) -> Vec<u8> {
        r#type.extend([self_, context, span, output, value, stream, error]);
        std::future::ready(r#type).await
    }

    /// The same, at once.
    #[tool(name = "match_now")]
    pub(super) fn now(span: u8, output: u8, mut r#type: Vec<u8>) -> Vec<u8> {
        r#type.extend([span, output]);
        r#type
    }
}

#[tokio::test]
async fn parameters_may_have_any_name() {
    use names::{r#match, now};

    let tools = tools![r#match, now];
    let all = json!({"self_": 1, "context": 2, "span": 3, "output": 4, "value": 5, "stream": 6,
        "error": 7, "type": [0]});
    assert_eq!(call(&tools, "match", all).await, json!([0, 1, 2, 3, 4, 5, 6, 7]));
    let few = json!({"span": 3, "output": 4, "type": [0]});
    assert_eq!(call(&tools, "match_now", few).await, json!([0, 3, 4]));
    assert_eq!(r#match(1, 2, 3, 4, 5, 6, 7, vec![]).await.len(), 7);
}

mod documented {
    use chatlas_macros::tool;

    #[doc = include_str!("described.md")]
    #[tool]
    pub(super) fn from_file(
        #[doc = concat!("How ", "far.")]
        /// Zero is the page alone.
        depth: u8,
    ) -> u8 {
        depth
    }

    /**
     * Says "it", with a \ and {braces}.
     *
     * **Twice**.
     */
    #[tool]
    pub(super) fn in_a_block() {}

    #[tool(description = "Is told to the model.")]
    /// Is told to people.
    pub(super) fn differently() {}
}

#[test]
fn descriptions_come_from_wherever_the_documentation_does() {
    let tools = tools![documented::from_file, documented::in_a_block, documented::differently];
    let from_file = definition(&tools, "from_file");
    assert_eq!(
        from_file.description,
        "Reads a page.\n\n- `depth` says how far links are followed."
    );
    let depth = &from_file.parameters["properties"]["depth"];
    assert_eq!(depth["description"], "How far.\nZero is the page alone.");
    let in_a_block = &definition(&tools, "in_a_block").description;
    assert_eq!(in_a_block, "Says \"it\", with a \\ and {braces}.\n\n**Twice**.");
    assert_eq!(definition(&tools, "differently").description, "Is told to the model.");
}

mod attributes {
    use chatlas_macros::tool;

    /// Has lints of its own, which its types call for wherever they are repeated.
    #[tool]
    #[expect(unused_parens)]
    pub(super) fn parentheses(number: (u8)) -> (u8) {
        number
    }

    /// The same in another way.
    #[allow(unused_qualifications)]
    #[tool]
    pub(super) fn qualified(text: std::string::String) -> std::string::String {
        text
    }

    /// Has parameters with conditions.
    #[tool]
    pub(super) fn conditional(
        #[cfg(test)] there: u8,
        #[cfg(not(test))] away: u8,
        #[cfg_attr(test, expect(unused_variables))] unused: Option<u8>,
    ) -> u8 {
        there
    }

    /// Is a tool on a condition.
    #[cfg_attr(test, tool(name = "sometimes"))]
    pub(super) fn perhaps() {}
}

#[tokio::test]
async fn attributes_hold_for_all_that_is_written() {
    use attributes::{conditional, parentheses, perhaps, qualified};

    let tools = tools![parentheses, qualified, conditional, perhaps];
    assert_eq!(call(&tools, "conditional", json!({"there": 1})).await, 1);
    assert_eq!(call(&tools, "qualified", json!({"text": "a"})).await, "a");
    assert_eq!(definition(&tools, "sometimes").description, "Is a tool on a condition.");
}

mod without_prelude {
    #![no_implicit_prelude]

    use ::chatlas_macros::{tool, toolbox, tools};
    use ::std::option::Option;
    use ::std::result::Result::{self, Ok};
    use ::std::string::String;

    /// Joins.
    #[tool]
    async fn join(
        a: String,
        b: &str,
        c: Option<u8>,
        #[default("x")] d: &str,
    ) -> Result<String, String> {
        ::std::future::ready(()).await;
        Ok(::std::format!("{a}{b}{c:?}{d}"))
    }

    /// Streams.
    #[tool]
    #[expect(clippy::unnecessary_wraps)]
    fn one() -> Result<impl ::futures_core::Stream<Item = u8>, String> {
        Ok(::futures_util::stream::iter([1]))
    }

    struct Desk;

    #[toolbox]
    impl Desk {
        /// Counts.
        #[tool]
        fn count(&self, #[default(1)] times: u8) -> u8 {
            let Self = self;
            times
        }
    }

    pub(super) fn all() -> ::chatlas_core::ToolSet {
        tools![join, one, ..Desk]
    }
}

mod beside_namesakes {
    #![allow(dead_code, non_camel_case_types)]

    mod chatlas {}
    mod chatlas_core {}
    mod chatlas_macros {}
    mod serde {}
    mod std {}
    struct Default;
    struct Into;
    struct Result;
    struct Tool;
    struct Value;
    struct bool;
    struct u64;

    /// Adds.
    #[::chatlas_macros::tool]
    fn add(a: u8, #[default(3)] b: u8) -> u8 {
        a + b
    }

    struct Desk;

    #[::chatlas_macros::toolbox]
    impl Desk {
        /// Counts.
        #[tool]
        async fn count(&self, #[default(1)] times: u8) -> u8 {
            ::std::future::ready(times).await
        }
    }

    pub(super) fn all() -> ::chatlas_core::ToolSet {
        ::chatlas_macros::tools![add, ..Desk]
    }
}

#[tokio::test]
async fn nothing_is_asked_of_the_names_in_scope() {
    let tools = without_prelude::all();
    assert_eq!(call(&tools, "join", json!({"a": "a", "b": "b"})).await, "abNonex");
    assert_eq!(call(&tools, "one", json!({})).await, 1);
    assert_eq!(call(&tools, "count", json!({})).await, 1);
    let tools = beside_namesakes::all();
    assert_eq!(call(&tools, "add", json!({"a": 1})).await, 4);
    assert_eq!(call(&tools, "count", json!({"times": 2})).await, 2);
}

macro_rules! made {
    ($name:ident, $called:literal, $argument:ident: $type:ty, $default:expr, $body:expr) => {
        #[doc = concat!("Is the tool ", $called, ".")]
        #[tool(name = $called)]
        fn $name($argument: $type, #[default($default)] local: $type, more: &[$type]) -> $type {
            let output = $argument + local;
            output + $body + more.iter().sum::<$type>()
        }
    };
    (box $name:ident { $($method:ident: $type:ty = $body:expr),* }) => {
        #[toolbox]
        impl $name {
            $(
                /// Is made.
                #[tool]
                fn $method(&self, output: $type) -> $type {
                    let Self = self;
                    output + $body
                }
            )*
        }
    };
    (list $($tool:path),* => $toolbox:expr) => {
        tools![$($tool),*, ..$toolbox]
    };
}

struct Made;

made!(add_all, "add-all", number: u32, 3, 7);
made!(box Made { one: u8 = 1, two: u16 = 2 });

#[tokio::test]
async fn macros_may_write_tools_and_lists_of_them() {
    let tools = made!(list add_all, shown::constant => Made);
    assert_eq!(definition(&tools, "add-all").description, "Is the tool add-all.");
    let sum = call(&tools, "add-all", json!({"number": 1, "more": [10]})).await;
    assert_eq!(sum, 21);
    assert_eq!(call(&tools, "two", json!({"output": 1})).await, 3);
}

#[test]
fn a_tool_may_stand_in_a_function() {
    /// Doubles.
    #[tool]
    fn double(number: u8) -> u8 {
        number * 2
    }

    assert_eq!(tools![double].len(), 1);
    assert_eq!(double(2), 4);
}

mod outer {
    pub(super) mod inner {
        /// Is seen from outside.
        #[chatlas_macros::tool]
        pub(in super::super) fn far() {}
    }

    pub(super) use inner::far as reexported;
}

#[test]
fn a_tool_is_listed_under_any_path_that_it_has() {
    use outer::reexported as again;

    let tools = tools![again];
    assert_eq!(definition(&tools, "far").description, "Is seen from outside.");
    assert_eq!(tools![outer::reexported].len(), 1);
    outer::inner::far();
}
