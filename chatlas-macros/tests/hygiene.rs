//! Expansions in modules that shadow the prelude, with many lints denied.

#![deny(warnings, clippy::pedantic, missing_docs, unreachable_pub, unused_qualifications)]
#![forbid(unsafe_code)]

use chatlas_core::{ChatRequest, Completion, Provider, ToolCall};
use serde_json::json;

/// Names that an expansion could confuse with others.
mod shadowed {
    #![allow(dead_code, non_camel_case_types)]

    use chatlas_macros::{tool, toolbox, tools};

    pub(crate) struct Option;
    pub(crate) struct Some;
    pub(crate) struct String;
    pub(crate) struct Vec;
    pub(crate) struct Box;
    pub(crate) struct Arc;
    pub(crate) struct str;
    pub(crate) struct u8;
    pub(crate) struct ToolSet;
    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) trait Send {}
    pub(crate) trait Clone {}
    pub(crate) trait FnOnce {}
    pub(crate) mod std {}
    pub(crate) mod core {}
    pub(crate) mod chatlas_private {}

    type Text = ::std::string::String;
    type Outcome = ::std::result::Result<Text, Text>;

    const __PARAMETERS: usize = 7;
    const PARAMETERS: usize = 7;

    /// Repeats a text.
    #[tool]
    pub(crate) async fn twice(__arguments: Text, __call: ::std::option::Option<usize>) -> Text {
        let times = __call.unwrap_or(__PARAMETERS + PARAMETERS);
        ::std::future::ready(()).await;
        __arguments.repeat(times)
    }

    /// Fails.
    #[tool]
    pub(crate) fn fails(__output: &Text) -> ::std::result::Result<Text, Text> {
        Outcome::Err(__output.clone())
    }

    /// Takes parameters of every kind.
    #[tool(read_only, timeout = "1m")]
    pub(crate) fn all(
        #[state] __state: &Text,
        __context: &chatlas_core::ToolContext,
        #[default("x")] __argument: &::std::primitive::str,
    ) -> Text {
        ::std::format!("{__state} {} {__argument}", __context.call_id())
    }

    /// Streams.
    #[tool]
    pub(crate) fn streams(
        __span: Text,
    ) -> ::std::result::Result<impl ::futures_core::Stream<Item = Text>, Text> {
        ::std::result::Result::Ok(::futures_util::stream::iter([__span]))
    }

    pub(crate) struct Toolbox;

    #[toolbox]
    impl Toolbox {
        /// Returns its argument.
        #[tool]
        pub(crate) async fn name(
            &self,
            __this: Text,
            __tools: ::std::option::Option<Self>,
        ) -> Text {
            ::std::future::ready(()).await;
            if __tools.is_some() { Text::new() } else { __this }
        }
    }

    impl<'de> ::serde::Deserialize<'de> for Toolbox {
        fn deserialize<D: ::serde::Deserializer<'de>>(
            _: D,
        ) -> ::std::result::Result<Self, D::Error> {
            ::std::result::Result::Ok(Self)
        }
    }

    impl ::schemars::JsonSchema for Toolbox {
        fn schema_name() -> ::std::borrow::Cow<'static, ::std::primitive::str> {
            "Toolbox".into()
        }

        fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
            ::schemars::json_schema!(true)
        }
    }

    pub(crate) fn set() -> chatlas_core::ToolSet {
        let __names = "state".to_owned();
        let __toolbox0 = Toolbox;
        tools![with __names => twice, fails, all, streams, ..__toolbox0]
    }
}

/// The same for the attributes of operations.
mod shadowed_operations {
    #![allow(dead_code)]

    use chatlas_core::{Document, Judged, Score};
    use chatlas_macros::{agent, evaluator, plan, retriever, workflow};

    pub(crate) struct Option;
    pub(crate) struct Some;
    pub(crate) struct String;
    pub(crate) struct Vec;
    pub(crate) struct Box;
    pub(crate) struct Arc;
    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct Facts;
    pub(crate) trait Into {}
    pub(crate) trait Display {}
    pub(crate) trait Serialize {}
    pub(crate) mod std {}
    pub(crate) mod core {}

    type Text = ::std::string::String;

    /// Uses the names of variables of the expansion.
    #[agent(name = "all", conversation = span, skip(output), fields(output = wanted, value = 1))]
    pub(crate) async fn all(facts: Text, span: &Text, output: u8, wanted: bool) -> Text {
        ::std::future::ready(()).await;
        let (value, error) = (span.len(), output);
        ::std::format!("{facts}{value}{error}{wanted}")
    }

    /// Streams.
    #[workflow]
    pub(crate) fn streams(
        span: Text,
        fails: bool,
    ) -> ::std::result::Result<impl ::futures_core::Stream<Item = Text>, Text> {
        if fails {
            return ::std::result::Result::Err(span);
        }
        ::std::result::Result::Ok(::futures_util::stream::iter([span]))
    }

    #[plan]
    pub(crate) fn plans() {}

    #[retriever(top_k = output)]
    pub(crate) fn retrieves(query: &::std::primitive::str, output: u8) -> [Document; 1] {
        [Document::new(::std::format!("{query}{output}"))]
    }

    #[evaluator(labels("pass", "fail"))]
    pub(crate) fn evaluates(output: &Judged) -> Score {
        Score::from(output.output.is_empty())
    }
}

/// The same for `#[provider]`, except `Box`, which async-trait takes from the prelude.
mod shadowed_provider {
    #![allow(dead_code)]

    use chatlas_core::{ChatRequest, Completion, ProviderError};
    use chatlas_macros::provider;

    pub(crate) struct Option;
    pub(crate) struct Result;
    pub(crate) struct String;
    pub(crate) struct Arc;
    pub(crate) struct ProviderInfo;
    pub(crate) trait Provider {}
    pub(crate) trait Clone {}

    pub(crate) struct Silent;

    #[provider(name = "silent")]
    impl chatlas_core::Provider for Silent {
        async fn chat(
            &self,
            __info: ChatRequest,
        ) -> ::std::result::Result<Completion, ProviderError> {
            let _ = __info.turns;
            ::std::result::Result::Ok(Completion::default())
        }
    }
}

/// The crate under another path, as in a program that renamed its dependency.
mod renamed {
    use chatlas_core::{ChatRequest, Completion, Provider, ProviderError};
    use chatlas_macros::{agent, provider, tool, tools};

    pub(crate) mod elsewhere {
        pub(crate) use chatlas_core::__private;
    }

    /// Doubles.
    #[tool(crate = elsewhere)]
    pub(crate) fn double(number: u8) -> Option<u8> {
        number.checked_mul(2)
    }

    /// Halves.
    #[tool(crate = crate::renamed::elsewhere)]
    pub(crate) fn halve(number: u8) -> u8 {
        number / 2
    }

    /// Triples.
    #[agent(tool, crate = elsewhere, fields(number = number))]
    pub(crate) fn triple(number: u8) -> Option<u8> {
        number.checked_mul(3)
    }

    pub(crate) struct Silent;

    #[provider(name = "silent", crate = elsewhere)]
    impl Provider for Silent {
        async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
            Ok(Completion::default())
        }
    }

    pub(crate) fn set() -> chatlas_core::ToolSet {
        tools![crate = elsewhere; double, halve, triple]
    }
}

/// Public items.
pub mod shown {
    use std::collections::BTreeMap;

    use chatlas_core::{ChatRequest, Completion, Provider, ProviderError, ProviderInfo};
    use chatlas_macros::{provider, tool, toolbox};

    /// Adds two numbers.
    #[tool]
    pub fn add(a: i64, _b: i64) -> Result<i64, std::num::ParseIntError> {
        "1".parse::<i64>().map(|one| a + one)
    }

    #[tool(description = "Counts letters.")]
    pub fn count(text: &str) -> Option<BTreeMap<char, usize>> {
        let mut letters = BTreeMap::new();
        for letter in text.chars() {
            *letters.entry(letter).or_insert(0) += 1;
        }
        (!letters.is_empty()).then_some(letters)
    }

    /// Is async without need; the lint attribute is for the body.
    #[tool]
    #[expect(clippy::unused_async)]
    pub async fn lazy(text: &str) -> usize {
        #![allow(clippy::let_and_return)]
        let length = text.len();
        length
    }

    #[tool(name = "upper", description = "Converts to upper case.")]
    pub async fn loud(text: String) -> String {
        std::future::ready(text.to_uppercase()).await
    }

    /// A value with methods.
    #[derive(Clone, Copy, Debug)]
    pub struct Desk;

    #[toolbox]
    impl Desk {
        /// Rings.
        #[tool]
        pub fn ring(&self, times: u8) -> u8 {
            let Self = self;
            times
        }

        /// Knocks.
        #[tool(description = "Knocks at the door.")]
        #[deprecated = "ring instead"]
        pub async fn knock(&self, context: &chatlas_core::ToolContext) -> String {
            std::future::ready(context.call_id().to_owned()).await
        }
    }

    #[tool(description = "Lists numbers.")]
    pub fn list(mut numbers: Vec<u8>) -> Vec<u8> {
        numbers.sort_unstable();
        numbers
    }

    /// Returns an empty reply.
    #[derive(Debug)]
    pub struct Silent(ProviderInfo);

    #[provider]
    impl Provider for Silent {
        fn info(&self) -> &ProviderInfo {
            &self.0
        }

        async fn chat(&self, mut request: ChatRequest) -> Result<Completion, ProviderError> {
            use std::mem::take;

            let _ = take(&mut request.turns);
            Ok(Completion::default())
        }
    }
}

#[tokio::test]
async fn provider_works_with_shadowed_names() {
    let provider: &dyn Provider = &shadowed_provider::Silent;
    assert_eq!(provider.chat(ChatRequest::default()).await, Ok(Completion::default()));
}

#[tokio::test]
async fn dependency_can_have_another_name() {
    let set = renamed::set();
    let tool = set.get("halve").expect("a tool of this name");
    assert_eq!(tool.call(ToolCall::new("1", json!({"number": 8}))).await, Ok(json!(4).into()));
    assert_eq!(renamed::double(200), None);
    assert_eq!(renamed::Silent.info().name, "silent");
}

#[tokio::test]
async fn tools_work_with_shadowed_names() {
    let set = shadowed::set();
    let call = |name: &str, arguments| {
        set.get(name).expect("a tool of this name").call(ToolCall::new("1", arguments))
    };
    let twice = call("twice", json!({"__arguments": "ab", "__call": 2})).await;
    assert_eq!(twice, Ok(json!("abab").into()));
    assert_eq!(call("all", json!({})).await, Ok(json!("state 1 x").into()));
    assert_eq!(call("streams", json!({"__span": "s"})).await, Ok(json!("s").into()));
    assert_eq!(call("name", json!({"__this": "t"})).await, Ok(json!("t").into()));
    let error = call("fails", json!({"__output": "no"})).await.expect_err("it fails");
    assert_eq!(error.message(), "no");
    assert_eq!(shadowed::twice("x".to_owned(), None).await.len(), 14);
    assert_eq!(shadowed::fails(&"no".to_owned()), Err("no".to_owned()));
}
