//! The attributes `#[tool]` and `#[provider]` and the macro `tools![]` of chatlas.
//!
//! Programs use them through the face crate `chatlas`. Each entry point here is one line; the work
//! is in the module of its name. What an expansion calls is `chatlas_core::__private`, nothing else.

mod attr;
mod errors;
mod function;
mod place;
mod provider;
mod tool;
mod toolbox;
mod tools;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use quote::quote;

/// Makes a function a tool: the model may ask for it, and every call has its `execute_tool` span.
///
/// ```
/// use chatlas_macros::tool;
///
/// /// Get the current weather forecast for a city.
/// #[tool]
/// async fn get_weather(
///     /// The city, "Tokyo" for example.
///     city: String,
///     /// For how many days; today alone if it is left out.
///     days: Option<u8>,
/// ) -> Result<String, std::io::Error> {
///     Ok(format!("{city}: rain for {} days", days.unwrap_or(1)))
/// }
/// # let _ = get_weather;
/// ```
///
/// # The function
///
/// A free function, `async` or not. A synchronous one runs on tokio's blocking pool when the model
/// asks for it. Its doc comment is the description that the model chooses by; each parameter's doc
/// comment describes that parameter. It stays callable as plain Rust, in a span as well.
///
/// - Parameters are owned values that implement `serde::Deserialize` and `schemars::JsonSchema`,
///   or `&str`, or `&[T]` of such `T`. An `Option` may be left out by the model.
/// - It returns any `serde::Serialize` value: a string goes to the model as it is, anything else as
///   JSON. Or a `Result` of that: the error's text goes to the model, its type name becomes
///   `error.type`.
///
/// Attributes below `#[tool]`, `#[tracing::instrument]` for example, go to the body. Not a tool can
/// be what the model could not call: a generic function, one with a `self`, a `&mut` or an
/// `impl Trait` parameter, an `unsafe`, `const` or `extern` one. Each of these is an error at its
/// token.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `name = "…"` | the name for the model, instead of the function's: 1 to 64 ASCII letters, digits, `_` or `-` |
/// | `description = "…"` | the description, instead of the doc comment |
/// | `crate = path` | where `chatlas-core` is, if it was renamed |
///
/// With a name of its own and a type that brings its schema along:
///
/// ```
/// use chatlas_macros::{tool, tools};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(rename_all = "snake_case")]
/// enum Unit {
///     Celsius,
///     Fahrenheit,
/// }
///
/// /// Converts a temperature.
/// #[tool(name = "convert-temperature")]
/// fn convert(degrees: f64, to: Unit) -> f64 {
///     match to {
///         Unit::Celsius => (degrees - 32.0) / 1.8,
///         Unit::Fahrenheit => degrees * 1.8 + 32.0,
///     }
/// }
///
/// let tools = tools![convert];
/// let definition = tools.get("convert-temperature").unwrap().definition();
/// assert_eq!(definition.parameters["required"], serde_json::json!(["degrees", "to"]));
/// assert_eq!(convert(100.0, Unit::Fahrenheit), 212.0);
/// ```
///
/// # What it expands to
///
/// The function, whose body calls the original one inside a span; and beside it, in the type
/// namespace, a struct of the same name that stands for the tool in `tools![…]`. One `use` imports
/// both.
#[proc_macro_attribute]
pub fn tool(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(arguments.into(), &item.into(), &quote!(::chatlas_core)).into()
}

/// Makes the methods of a type tools, which share a value of it.
#[proc_macro_attribute]
pub fn toolbox(arguments: TokenStream, item: TokenStream) -> TokenStream {
    toolbox::expand(arguments.into(), &item.into(), &quote!(::chatlas_core)).into()
}

/// A set of tools, whose names the compiler has checked: `tools![get_weather, maps::find_route]`.
///
/// ```
/// use chatlas_macros::{tool, tools};
///
/// /// Adds two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a + b
/// }
///
/// assert_eq!(tools![add].len(), 1);
/// ```
///
/// Each entry is the path of a `#[tool]` function. Two tools of one name do not compile, wherever
/// they come from and whatever they were renamed to. `crate = path;` in front says where
/// `chatlas-core` is, if it was renamed.
///
/// ```compile_fail
/// # use chatlas_macros::{tool, tools};
/// # /// Adds two numbers.
/// # #[tool]
/// # fn add(a: i64, b: i64) -> i64 { a + b }
/// tools![add, add]; // another tool in this list has the same name
/// ```
///
/// It expands to a `ToolSet`, after one `const` assertion for each name.
#[proc_macro]
pub fn tools(input: TokenStream) -> TokenStream {
    tools::expand(input.into(), &quote!(::chatlas_core)).into()
}

/// Gives an `impl Provider` its `chat` spans. An impl without it does not compile.
///
/// ```
/// use chatlas_core::{ChatRequest, Completion, Provider, ProviderError};
/// use chatlas_macros::provider;
///
/// struct Echo;
///
/// #[provider(name = "echo")]
/// impl Provider for Echo {
///     async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
///         let mut reply = Completion::default();
///         reply.contents = request.turns.last().map(|turn| turn.contents().to_vec()).unwrap_or_default();
///         Ok(reply)
///     }
/// }
/// ```
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `name = "…"` | writes `fn info` for a provider of that `gen_ai.provider.name` and no fixed model |
/// | `transparent` | for wrappers that delegate (a retry, a fallback): no span of their own |
/// | `crate = path` | where `chatlas-core` is, if it was renamed |
///
/// # A provider derived from another
///
/// Above a struct without fields it makes a provider of a vendor that speaks a known protocol, one
/// that implements `chatlas_core::provider::Protocol`:
///
/// ```text
/// /// Groq's models.
/// #[provider(
///     like = OpenAiCompletions,
///     name = "groq",
///     base_url = "https://api.groq.com/openai/v1",
///     api_key_env = "GROQ_API_KEY",
///     quirks(max_tokens_field),
/// )]
/// pub struct Groq;
/// ```
///
/// | argument | meaning |
/// |---|---|
/// | `like = path` | the provider whose protocol it speaks |
/// | `name = "…"` | `gen_ai.provider.name` |
/// | `base_url = "…"` | the address of its API: all before the operation's own path |
/// | `api_key_env = "…"` | the environment variable of its key, if it needs one |
/// | `default_model = "…"` | the model of `Default`, which there is only with this argument |
/// | `quirks(a, b)` | methods `fn a(self) -> Self` of the protocol, called on each new provider |
/// | `tools(WebSearch)` | the tools that the vendor runs, of those that the protocol can ask for |
/// | `crate = path` | where `chatlas-core` is, if it was renamed |
///
/// It has `new(model)`, the settings `api_key`, `base_url`, `http` and `http_spans`, and
/// `with(|protocol| …)` for every other setting of the protocol. Its spans are those of the
/// protocol's own impl, under the vendor's name. `#[derive(Clone)]` below the attribute works
/// where the protocol can be cloned.
///
/// # What it expands to
///
/// The same impl, its methods async through `async-trait`, the bodies of `chat` and `chat_stream`
/// inside a span that records the request's facts at its start and the reply's at its end.
#[proc_macro_attribute]
pub fn provider(arguments: TokenStream, item: TokenStream) -> TokenStream {
    provider::expand(arguments.into(), &item.into(), &quote!(::chatlas_core)).into()
}

/// `#[tool]`, as the face crate exports it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_tool(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(arguments.into(), &item.into(), &quote!(::chatlas)).into()
}

/// `#[toolbox]`, as the face crate exports it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_toolbox(arguments: TokenStream, item: TokenStream) -> TokenStream {
    toolbox::expand(arguments.into(), &item.into(), &quote!(::chatlas)).into()
}

/// `tools![]`, as the face crate exports it.
#[doc(hidden)]
#[proc_macro]
pub fn face_tools(input: TokenStream) -> TokenStream {
    tools::expand(input.into(), &quote!(::chatlas)).into()
}

/// `#[provider]`, as the face crate exports it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn face_provider(arguments: TokenStream, item: TokenStream) -> TokenStream {
    provider::expand(arguments.into(), &item.into(), &quote!(::chatlas)).into()
}
