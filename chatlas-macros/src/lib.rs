//! The attributes `#[tool]`, `#[toolbox]` and `#[provider]` and the macro `tools![]` of chatlas.
//!
//! Programs use them through the face crate `chatlas`. Each entry point here is one line; the work
//! is in the module of its name. What an expansion calls is `chatlas_core::__private`, nothing else.

#![forbid(unsafe_code)]

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
/// Its doc comment is the description that the model chooses by; each parameter's doc comment
/// describes that parameter. The function stays callable as plain Rust, in a span as well.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `name = "…"` | the name for the model, instead of the function's: 1 to 64 ASCII letters, digits, `_` or `-` |
/// | `description = "…"` | the description, instead of the doc comment |
/// | `title = "…"` | a name for people |
/// | `read_only` | it changes nothing |
/// | `destructive` | it may destroy something |
/// | `idempotent` | the same call again changes nothing more |
/// | `open_world` | it deals with a world outside the program |
/// | `strict` | the vendor is to hold the model to the schema to the letter |
/// | `timeout = "30s"` | how long a call by the model may take, in `ms`, `s`, `m` or `h`: beyond it the span ends with `error.type = timeout`, and the model is told |
/// | `crate = path` | where `chatlas-core` is, if it was renamed |
///
/// `title` and the four hints below it are those of the [Model Context Protocol]. A switch that is
/// left out is not told; `read_only = false` tells that it is off.
///
/// [Model Context Protocol]: https://modelcontextprotocol.io/specification/2025-06-18/schema#toolannotations
///
/// ```
/// use chatlas_macros::{tool, tools};
///
/// /// Deletes a file.
/// #[tool(title = "Delete", destructive, idempotent, open_world = false, timeout = "30s")]
/// fn delete_file(path: &str) -> std::io::Result<()> {
///     std::fs::remove_file(path)
/// }
///
/// let tools = tools![delete_file];
/// let definition = tools.get("delete_file").unwrap().definition();
/// assert_eq!(definition.annotations.destructive, Some(true));
/// assert_eq!(definition.annotations.read_only, None);
/// assert_eq!(definition.timeout, Some(std::time::Duration::from_secs(30)));
/// ```
///
/// # Parameters
///
/// | parameter | its value comes from |
/// |---|---|
/// | `city: T` | the model; `T` implements `serde::Deserialize` and `schemars::JsonSchema` |
/// | `city: &str`, `list: &[T]`, `place: &T` | the model; the function borrows the value for the call |
/// | `days: Option<T>` | the model, which may leave it out, whatever alias the `Option` has |
/// | `#[default(1)] days: T` | the model, or the expression where the model leaves it out or sends `null`; a literal is shown in the schema |
/// | `#[state] db: &Db` | the app, by way of `tools![with app => …]`; the model never sees it |
/// | `#[state] db: Db` | the same, cloned |
/// | `context: &ToolContext`, `context: ToolContext` | the call: its id, the agent's name, a cancellation token, the span to put attributes on |
///
/// A parameter may have `#[cfg]`, lints, and `mut`. The schema and what is read agree on the
/// attributes of serde (`rename`, `rename_all`, `default`, `flatten`, `tag`, `skip`, …).
/// The types of `chrono`, `uuid` and `url` are parameters with the features of those names. A type
/// of your own derives its schema without a dependency on serde or schemars:
/// `#[derive(chatlas::serde::Deserialize, chatlas::schemars::JsonSchema)]` with
/// `#[serde(crate = "chatlas::serde")]` and `#[schemars(crate = "chatlas::schemars")]`.
///
/// ```
/// use chatlas_core::ToolContext;
/// use chatlas_macros::{tool, tools};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// struct Weather;
///
/// impl Weather {
///     fn degrees(&self, _city: &str) -> f64 {
///         14.0
///     }
/// }
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(rename_all = "snake_case")]
/// enum Unit {
///     Celsius,
///     Fahrenheit,
/// }
///
/// /// How warm it is.
/// #[tool(name = "get-temperature")]
/// fn temperature(
///     #[state] weather: &Weather,
///     context: &ToolContext,
///     city: &str,
///     #[default(Unit::Celsius)] unit: Unit,
///     #[default(1)] decimals: usize,
/// ) -> String {
///     let celsius = weather.degrees(city);
///     let degrees = match unit {
///         Unit::Celsius => celsius,
///         Unit::Fahrenheit => celsius * 1.8 + 32.0,
///     };
///     format!("{degrees:.decimals$} ({})", context.call_id())
/// }
///
/// let tools = tools![with Weather => temperature];
/// let parameters = &tools.get("get-temperature").unwrap().definition().parameters;
/// assert_eq!(parameters["required"], serde_json::json!(["city"]));
/// assert_eq!(parameters["properties"]["decimals"]["default"], 1);
/// let direct = temperature(&Weather, &ToolContext::new("1"), "Oslo", Unit::Fahrenheit, 0);
/// assert_eq!(direct, "57 (1)");
/// ```
///
/// # What it returns
///
/// | return type | what the model is handed |
/// |---|---|
/// | `T: Serialize` | a string as it is, anything else as JSON |
/// | `Content`, `Vec<Content>` | text, images and documents as they are |
/// | `ToolOutput` | one of both, as the function decides |
/// | `Option` of those | the same, or `null` |
/// | `()`, nothing | `null` |
/// | `Result<T, E>` of those, under whatever alias | the value, or the text of the error: `E` is anything that implements `Display` |
/// | `impl Stream<Item = T>`, `BoxStream<'_, T>`, `Result<impl Stream<Item = T>, E>` | see below |
///
/// `error.type` is the name of the error's type; a `ToolError` brings its own. The text is that of
/// the alternate form (`{:#}`), which tells the causes of an `anyhow::Error`.
///
/// Each item of a stream (a `T`, or a `Result` of one) goes to the consumer of the conversation as
/// `StreamEvent::ToolProgress`. When it has ended the model is handed all items: strings joined to
/// one text, contents one after the other, of other values (or values and strings mixed) the last. An
/// error ends it. The span
/// lasts until the stream has ended or is dropped, in a direct call as well.
///
/// ```
/// use chatlas_macros::tool;
/// use futures_core::Stream;
///
/// /// Counts up to a number.
/// #[tool]
/// fn count(to: u8) -> impl Stream<Item = u8> {
///     futures_util::stream::iter(1..=to)
/// }
/// # let _ = count;
/// ```
///
/// # How it runs
///
/// A synchronous function runs on tokio's blocking pool when the model asks for it (a stream is
/// made where the loop runs). A function that panics is an error to the model; so are arguments
/// that do not fit, and time that is up. A thread cannot be stopped from outside: a synchronous
/// tool with a timeout watches `context.cancellation()`.
///
/// # What is refused
///
/// What the model could not call, each with an error at its token, all of one item at once: a
/// generic function, one with lifetimes, `&mut` or `impl Trait` parameters, patterns, variadics, an
/// `unsafe`, `const` or `extern` one, one without a description, a method outside of
/// [`#[toolbox]`](macro@toolbox). Attributes below `#[tool]`, `#[tracing::instrument]` for example,
/// go to the body; `#[deprecated]` and `#[must_use]` to the public function.
///
/// # What it expands to
///
/// ```text
/// // The function, whose body calls the original one inside a span,
/// async fn get_weather(city: String, days: Option<u8>) -> Result<String, std::io::Error> {
///     traced_call("get_weather", "Get the …", get_weather::get_weather(city, days), …).await
/// }
///
/// // beside it, in the type namespace, a struct that stands for the tool in `tools![…]`
/// // (one `use` imports both),
/// struct get_weather { … }
///
/// // which has the original function and says how its value is told to the model,
/// impl get_weather {
///     async fn get_weather(city: String, days: Option<u8>) -> Result<String, std::io::Error> { … }
///     fn __value(output: &Result<String, std::io::Error>) -> Result<ToolOutput, ToolError> { … }
/// }
///
/// // and how a call is made of what the model sends.
/// const _: () = {
///     static SPEC: Spec = Spec::new("get_weather", "Get the …", PARAMETERS);
///     impl ToolWith<…> for get_weather { … }
/// };
/// ```
#[proc_macro_attribute]
pub fn tool(arguments: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(arguments.into(), &item.into(), &quote!(::chatlas_core)).into()
}

/// Makes methods of a type tools, which share a value of it.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// use chatlas_macros::{toolbox, tools};
///
/// #[derive(Default)]
/// struct Counter(AtomicU32);
///
/// #[toolbox]
/// impl Counter {
///     /// Adds to the counter, and tells what it has come to.
///     #[tool]
///     async fn add(&self, #[default(1)] amount: u32) -> u32 {
///         self.0.fetch_add(amount, Ordering::Relaxed) + amount
///     }
///
///     /// Reads the counter.
///     #[tool(name = "read", read_only)]
///     fn value(&self) -> u32 {
///         self.0.load(Ordering::Relaxed)
///     }
///
///     fn reset(&self) {
///         self.0.store(0, Ordering::Relaxed);
///     }
/// }
///
/// let tools = tools![..Counter::default()];
/// assert_eq!(tools.len(), 2);
/// # Counter::default().reset();
/// ```
///
/// It stands above an impl of the type's own; a type has one such impl, without generics. The
/// methods with `#[tool]` take all that [`#[tool]`](macro@tool) takes, but for `#[state]`: their
/// state is `self`. They take `&self`, or nothing at all. Methods without `#[tool]` stay as they
/// are. `#[cfg]` on a method works.
///
/// `tools![..value]` makes the tools of a value, or of an `Arc` of one. The value is dropped with
/// the last set that has them.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `crate = path` | where `chatlas-core` is, if it was renamed |
///
/// # What is refused
///
/// Two tools of one name in the impl do not compile; neither does a name that another tool of a
/// list has already, which the compiler tells when it builds the list (`cargo check` does not get
/// that far):
///
/// ```compile_fail,E0080
/// use chatlas_macros::{tool, toolbox, tools};
///
/// struct Counter;
///
/// #[toolbox]
/// impl Counter {
///     /// Counts.
///     #[tool]
///     fn count(&self) -> u8 {
///         1
///     }
/// }
///
/// /// Counts.
/// #[tool]
/// fn count() -> u8 {
///     2
/// }
///
/// let _ = tools![count, ..Counter]; // another tool in this list has the same name
/// ```
///
/// # What it expands to
///
/// The impl, each tool of it as a method whose body calls the original one inside a span, and an
/// `impl Toolbox`, which makes the tools of an `Arc` of the value. The original ones stand beside
/// them under names that begin with `__chatlas_`.
#[proc_macro_attribute]
pub fn toolbox(arguments: TokenStream, item: TokenStream) -> TokenStream {
    toolbox::expand(arguments.into(), &item.into(), &quote!(::chatlas_core)).into()
}

/// A set of tools, whose names the compiler has checked: `tools![get_weather, maps::find_route]`.
///
/// ```
/// use chatlas_core::tool::Provide;
/// use chatlas_macros::{tool, toolbox, tools};
///
/// /// Adds two numbers.
/// #[tool]
/// fn add(a: i64, b: i64) -> i64 {
///     a + b
/// }
///
/// struct Db(Vec<&'static str>);
///
/// /// Looks up a name.
/// #[tool]
/// fn look_up(#[state] db: &Db, index: usize) -> Option<&'static str> {
///     db.0.get(index).copied()
/// }
///
/// struct Notes;
///
/// #[toolbox]
/// impl Notes {
///     /// Reads a note.
///     #[tool]
///     fn read_note(&self) -> String {
///         "milk".to_owned()
///     }
/// }
///
/// // An app that supplies one thing is that thing;
/// assert_eq!(tools![with Db(vec!["Ada"]) => add, look_up, ..Notes].len(), 3);
///
/// // one that supplies several says so.
/// struct App {
///     db: Db,
/// }
///
/// impl Provide<Db> for App {
///     fn provide(&self) -> &Db {
///         &self.db
///     }
/// }
///
/// let app = std::sync::Arc::new(App { db: Db(Vec::new()) });
/// assert_eq!(tools![with app => look_up].len(), 1);
/// ```
///
/// # What stands in it
///
/// | entry | is |
/// |---|---|
/// | `crate = path;` | in front: where `chatlas-core` is, if it was renamed |
/// | `with app =>` | then: the app that supplies the `#[state]` parameters, a value or an `Arc` of one |
/// | `path` | a `#[tool]` function |
/// | `..value` | all tools of a [toolbox](macro@toolbox), a value or an `Arc` of one |
///
/// Two tools of one name do not compile, wherever they come from and whatever they were renamed to;
/// neither does a function whose state the app does not supply. Tools that are known only when the
/// program runs (`DynTool`, or any `impl Tool`) are added to the set: `ToolSet::add` and
/// `ToolSet::merge` tell of a name that is there already.
///
/// ```compile_fail,E0080
/// # use chatlas_macros::{tool, tools};
/// # /// Adds two numbers.
/// # #[tool]
/// # fn add(a: i64, b: i64) -> i64 { a + b }
/// tools![add, add]; // another tool in this list has the same name
/// ```
///
/// # What it expands to
///
/// An expression: a `ToolSet` of the tools in that order, after an assertion of their names in a
/// `const`.
#[proc_macro]
pub fn tools(input: TokenStream) -> TokenStream {
    tools::expand(input.into(), &quote!(::chatlas_core)).into()
}

/// Gives an `impl Provider` its spans; an impl without it does not compile. Above a struct it derives
/// a provider from one that speaks the same protocol.
///
/// # Above an impl
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
///
/// assert_eq!(Echo.info().name, "echo");
/// ```
///
/// | argument | meaning |
/// |---|---|
/// | `name = "…"` | writes `fn info` for a provider of that `gen_ai.provider.name` and no fixed model: lower-case ASCII letters, digits, `.`, `_` or `-`. Without it the impl has `fn info` |
/// | `transparent` | for wrappers that delegate (a retry, a fallback): no span of their own |
/// | `crate = path` | where `chatlas-core` is, if it was renamed |
///
/// Its methods are written as `async fn`, with any pattern for the request:
///
/// | method | span |
/// |---|---|
/// | `chat` (needed), `chat_stream` | `chat`: the request's facts at its start, the reply's at its end; of a stream it lasts until that has ended or is dropped |
/// | `count_tokens`, `list_models` | one of the name of the method |
/// | any other | none |
///
/// A wrapper is `transparent`, so that each call has one span, that of the provider which makes it
/// (one that is to stream has `chat_stream` as well):
///
/// ```
/// use chatlas_core::{ChatRequest, Completion, Provider, ProviderError, ProviderInfo};
/// use chatlas_macros::provider;
///
/// /// Asks the second where the first fails.
/// struct Fallback<A, B>(A, B);
///
/// #[provider(transparent)]
/// impl<A: Provider, B: Provider> Provider for Fallback<A, B> {
///     fn info(&self) -> &ProviderInfo {
///         self.0.info()
///     }
///
///     async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
///         match self.0.chat(request.clone()).await {
///             Err(_) => self.1.chat(request).await,
///             reply => reply,
///         }
///     }
/// }
/// ```
///
/// # Above a struct
///
/// It makes a provider of a vendor that speaks a known protocol, one that implements
/// `chatlas_core::provider::Protocol` (of chatlas's own `OpenAiCompletions`, for example):
///
/// ```
/// # use std::sync::Arc;
/// # use chatlas_core::provider::{Protocol, Vendor};
/// # use chatlas_core::{ChatRequest, Completion, ProviderError, ProviderInfo};
/// use chatlas_core::Provider;
/// use chatlas_macros::provider;
/// # #[derive(Debug)]
/// # struct OpenAiCompletions(ProviderInfo);
/// # impl OpenAiCompletions {
/// #     fn max_tokens_field(self) -> Self {
/// #         self
/// #     }
/// # }
/// # impl Protocol for OpenAiCompletions {
/// #     type HttpOptions = ();
/// #     fn of_vendor(vendor: &'static Vendor) -> Self {
/// #         Self(ProviderInfo::new(vendor.name))
/// #     }
/// #     fn with_model(self, model: impl Into<Arc<str>>) -> Self {
/// #         Self(self.0.with_model(model))
/// #     }
/// #     fn with_api_key(self, _: impl Into<String>) -> Self {
/// #         self
/// #     }
/// #     fn with_base_url(self, _: impl Into<String>) -> Self {
/// #         self
/// #     }
/// #     fn with_http(self, (): ()) -> Self {
/// #         self
/// #     }
/// #     fn with_http_spans(self, _: bool) -> Self {
/// #         self
/// #     }
/// # }
/// # #[provider]
/// # impl Provider for OpenAiCompletions {
/// #     fn info(&self) -> &ProviderInfo {
/// #         &self.0
/// #     }
/// #     async fn chat(&self, _: ChatRequest) -> Result<Completion, ProviderError> {
/// #         Ok(Completion::default())
/// #     }
/// # }
///
/// /// Acme's models.
/// #[provider(
///     like = OpenAiCompletions,
///     name = "acme",
///     base_url = "https://api.acme.example/v1",
///     api_key_env = "ACME_API_KEY",
///     default_model = "acme-large",
///     quirks(max_tokens_field),
/// )]
/// pub struct Acme;
///
/// let acme = Acme::new("acme-small").api_key("…");
/// assert_eq!(acme.info().name, "acme");
/// assert_eq!(Acme::default().info().model.as_deref(), Some("acme-large"));
/// ```
///
/// | argument | meaning |
/// |---|---|
/// | `like = path` | the provider whose protocol it speaks; needed |
/// | `name = "…"` | `gen_ai.provider.name`; needed |
/// | `base_url = "…"` | the address of its API, all before the operation's own path; needed |
/// | `api_key_env = "…"` | the environment variable of its key, if it needs one |
/// | `default_model = "…"` | the model of `Default`, which there is only with this argument |
/// | `quirks(a, b)` | methods `fn a(self) -> Self` of the protocol, called on each new provider |
/// | `tools(WebSearch)` | the tools that the vendor runs, of those that the protocol can ask for |
/// | `crate = path` | where `chatlas-core` is, if it was renamed |
///
/// The struct has neither fields nor parameters. It gets `new(model)`, the settings `api_key`,
/// `base_url`, `http` and `http_spans`, and `with(|protocol| …)` for every other setting of the
/// protocol. Its spans are those of the protocol's own impl, under the vendor's name.
/// `#[derive(Clone)]` below the attribute works where the protocol can be cloned.
///
/// # What it expands to
///
/// Above an impl, the same impl, its methods async through `async-trait`, and their bodies inside
/// spans:
///
/// ```text
/// #[async_trait]
/// impl Provider for Echo {
///     async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
///         traced_chat(self.info(), request, move |request| async move { … }).await
///     }
///     // `fn info`, with `name`,
///     // and a method that the trait demands and nobody else can write.
/// }
/// ```
///
/// Above a struct, the struct with the protocol in it, and what belongs to it:
///
/// ```text
/// pub struct Acme { inner: OpenAiCompletions }
///
/// impl Acme { pub fn new(…) … pub fn api_key(…) … pub fn with(…) … }
/// impl Default for Acme { … }          // with `default_model`
/// impl Runs<WebSearch> for Acme { … }  // one for each of `tools`
/// impl Debug for Acme { … }            // that of the protocol
/// impl Provider for Acme { … }         // hands on to the protocol
/// ```
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
