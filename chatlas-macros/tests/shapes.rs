//! Tools of every kind: return types, errors, defaults, context, state, streams, hints.

use std::sync::Arc;
use std::time::Duration;

use chatlas_core::tool::Provide;
use chatlas_core::{Content, ToolCall, ToolContext, ToolError, ToolOutput, ToolSet};
use chatlas_macros::{tool, tools};
use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use serde_json::{Value, json};

async fn call(tools: &ToolSet, name: &str, arguments: Value) -> Result<ToolOutput, ToolError> {
    let tool = Arc::clone(tools.get(name).expect("a tool of this name"));
    tool.call(ToolCall::new("call-1", arguments)).await
}

mod returns {
    use super::*;

    type Outcome<T> = Result<T, String>;

    /// A picture.
    #[tool]
    fn picture(missing: bool) -> Result<Content, ToolError> {
        if missing {
            return Err(ToolError::new("no_picture", "there is none"));
        }
        Ok(Content::image_base64("image/png", "AAAA"))
    }

    /// Several parts.
    #[tool]
    async fn parts() -> Vec<Content> {
        std::future::ready(vec![Content::text("a"), Content::text("b")]).await
    }

    /// A picture, if there is one.
    #[tool]
    async fn perhaps(there: bool) -> Option<Content> {
        let picture = there.then(|| Content::image_base64("image/png", "AAAA"));
        std::future::ready(picture).await
    }

    /// A value, or contents.
    #[tool]
    fn decided(rich: bool) -> ToolOutput {
        if rich { Content::text("rich").into() } else { json!({"plain": true}).into() }
    }

    /// Returns an alias of `Result`.
    #[tool]
    fn aliased(number: u8) -> Outcome<u8> {
        number.checked_add(1).ok_or_else(|| "too much".to_owned())
    }

    /// Returns the `Result` of `anyhow`.
    #[tool]
    fn parse(text: &str) -> anyhow::Result<u8> {
        use anyhow::Context as _;
        text.parse().with_context(|| format!("`{text}` is no number"))
    }

    /// Returns the `Result` of `std::io`.
    #[tool]
    fn read(path: &str) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }

    /// A map without string keys.
    #[tool]
    fn unserializable() -> std::collections::BTreeMap<(u8, u8), u8> {
        std::iter::once(((1, 2), 3)).collect()
    }

    fn set() -> ToolSet {
        tools![picture, parts, perhaps, decided, aliased, parse, read, unserializable]
    }

    #[tokio::test]
    async fn contents_are_sent_unchanged() {
        let set = set();
        let image = Content::image_base64("image/png", "AAAA");
        assert_eq!(call(&set, "picture", json!({"missing": false})).await, Ok(image.into()));
        let parts = vec![Content::text("a"), Content::text("b")];
        assert_eq!(call(&set, "parts", json!({})).await, Ok(parts.into()));
        let there = call(&set, "perhaps", json!({"there": true})).await;
        assert_eq!(there, Ok(Content::image_base64("image/png", "AAAA").into()));
        let nothing = call(&set, "perhaps", json!({"there": false})).await;
        assert_eq!(nothing, Ok(ToolOutput::Value(Value::Null)));
        let rich = call(&set, "decided", json!({"rich": true})).await;
        assert_eq!(rich, Ok(Content::text("rich").into()));
        let plain = call(&set, "decided", json!({"rich": false})).await;
        assert_eq!(plain, Ok(json!({"plain": true}).into()));
    }

    #[tokio::test]
    async fn tool_error_keeps_its_type() {
        let error = call(&set(), "picture", json!({"missing": true})).await.expect_err("none");
        assert_eq!(error, ToolError::new("no_picture", "there is none"));
    }

    #[tokio::test]
    async fn aliases_of_result_work() {
        assert_eq!(call(&set(), "aliased", json!({"number": 1})).await, Ok(json!(2).into()));
        let error = call(&set(), "aliased", json!({"number": 255})).await.expect_err("too much");
        assert_eq!(error.message(), "too much");
        assert!(aliased(255).is_err());
    }

    #[tokio::test]
    async fn errors_of_every_kind_are_sent() {
        let error = call(&set(), "parse", json!({"text": "x"})).await.expect_err("no number");
        assert_eq!(error.message(), "`x` is no number: invalid digit found in string");
        assert_eq!(error.error_type(), "anyhow::Error");
        let error =
            call(&set(), "read", json!({"path": "/does/not/exist"})).await.expect_err("none");
        assert_eq!(error.error_type(), "std::io::error::Error");
        let error = call(&set(), "unserializable", json!({})).await.expect_err("no JSON");
        assert_eq!(error.error_type(), "unserializable_result");
    }
}

mod hints {
    use super::*;

    /// Deletes a file.
    #[tool(
        title = "Delete a file",
        read_only = false,
        destructive,
        idempotent,
        open_world = false,
        timeout = "90s",
        strict
    )]
    fn delete(path: &str) -> usize {
        path.len()
    }

    /// Has no hints.
    #[tool]
    fn plain() {}

    #[test]
    fn hints_are_in_the_definition() {
        let set = tools![delete, plain];
        let definition = set.get("delete").expect("a tool").definition();
        assert_eq!(
            serde_json::to_value(&definition.annotations).expect("JSON"),
            json!({
                "title": "Delete a file",
                "readOnlyHint": false,
                "destructiveHint": true,
                "idempotentHint": true,
                "openWorldHint": false,
            })
        );
        assert_eq!(definition.timeout, Some(Duration::from_secs(90)));
        assert_eq!(definition.strict, Some(true));
        let definition = set.get("plain").expect("a tool").definition();
        assert_eq!(serde_json::to_value(&definition.annotations).expect("JSON"), json!({}));
        assert_eq!((definition.timeout, definition.strict), (None, None));
    }
}

mod defaults {
    use super::*;

    const LIMIT: u32 = 10;

    /// Searches.
    #[tool]
    fn search(
        #[default("rust")] query: &str,
        #[default("en")] language: String,
        #[default(-1)] offset: i32,
        #[default(LIMIT)] limit: u32,
        #[default(0.5)] score: f32,
        #[default(true)] exact: bool,
        #[default(Some(3))] pages: Option<u8>,
        #[default(["a".to_owned(), "b".to_owned()])] words: &[String],
    ) -> String {
        format!("{query} {language} {offset} {limit} {score} {exact} {pages:?} {words:?}")
    }

    #[test]
    fn schema_contains_literal_defaults() {
        let set = tools![search];
        let parameters = &set.get("search").expect("a tool").definition().parameters;
        assert_eq!(parameters["required"], json!([]));
        let default = |name: &str| parameters["properties"][name].get("default").cloned();
        assert_eq!(default("query"), Some(json!("rust")));
        assert_eq!(default("language"), Some(json!("en")));
        assert_eq!(default("offset"), Some(json!(-1)));
        assert_eq!(default("score"), Some(json!(0.5)));
        assert_eq!(default("exact"), Some(json!(true)));
        assert_eq!(default("limit"), None);
        assert_eq!(default("pages"), None);
    }

    #[tokio::test]
    async fn missing_arguments_have_their_defaults() {
        let set = tools![search];
        let all = call(&set, "search", json!({})).await;
        assert_eq!(all, Ok("rust en -1 10 0.5 true Some(3) [\"a\", \"b\"]".into()));
        let arguments = json!({"query": null, "offset": 2, "pages": null, "words": []});
        let some = call(&set, "search", arguments).await;
        assert_eq!(some, Ok("rust en 2 10 0.5 true None []".into()));
        let error = call(&set, "search", json!({"limit": "x"})).await.expect_err("no number");
        assert_eq!(error.error_type(), "invalid_arguments");
        assert_eq!(
            search("q", "de".into(), 0, 1, 1.0, false, None, &[]),
            "q de 0 1 1 false None []"
        );
    }
}

mod context {
    use super::*;

    /// Who calls?
    #[tool]
    async fn who(context: &ToolContext, #[default(1)] times: usize) -> String {
        std::future::ready(context.call_id().repeat(times)).await
    }

    /// Takes the context by value.
    #[tool]
    fn kept(context: ToolContext) -> String {
        context.call_id().to_owned()
    }

    /// Borrows from the context.
    #[tool]
    fn borrowed(context: &ToolContext) -> &str {
        context.call_id()
    }

    #[tokio::test]
    async fn tool_receives_the_context_of_its_call() {
        let set = tools![who, kept, borrowed];
        assert_eq!(call(&set, "borrowed", json!({})).await, Ok("call-1".into()));
        assert_eq!(call(&set, "who", json!({})).await, Ok("call-1".into()));
        assert_eq!(call(&set, "kept", json!({})).await, Ok("call-1".into()));
        let properties = &set.get("kept").expect("a tool").definition().parameters["properties"];
        assert_eq!(properties, &json!({}));
        let error = call(&set, "who", json!({"context": 1})).await.expect_err("not a parameter");
        assert_eq!(error.message(), "unknown argument `context`: this tool takes `times`");
        let context = ToolContext::new("direct");
        assert_eq!(who(&context, 2).await, "directdirect");
        assert_eq!(borrowed(&context), "direct");
        assert_eq!(kept(context), "direct");
    }
}

mod state {
    use super::*;

    #[derive(Debug)]
    struct Db(&'static str);

    #[derive(Clone, Debug)]
    struct Cache(&'static str);

    struct App {
        db: Db,
        cache: Cache,
    }

    impl Provide<Db> for App {
        fn provide(&self) -> &Db {
            &self.db
        }
    }

    impl Provide<Cache> for App {
        fn provide(&self) -> &Cache {
            &self.cache
        }
    }

    /// Queries the database.
    #[tool]
    async fn query(#[state] db: &Db, key: u8) -> String {
        std::future::ready(format!("{}:{key}", db.0)).await
    }

    /// Uses two states.
    #[tool]
    fn both(first: u8, #[state] cache: Cache, context: &ToolContext, #[state] db: &Db) -> String {
        format!("{first} {} {} {}", cache.0, db.0, context.call_id())
    }

    /// Takes the handle.
    #[tool]
    fn shared(#[state] db: Arc<Db>) -> String {
        db.0.to_owned()
    }

    /// Needs none.
    #[tool]
    fn stateless() -> u8 {
        7
    }

    #[tokio::test]
    async fn app_supplies_state_that_the_schema_omits() {
        let app = App { db: Db("db"), cache: Cache("cache") };
        let set = tools![with app => query, both, stateless];
        assert_eq!(call(&set, "query", json!({"key": 1})).await, Ok("db:1".into()));
        let both = call(&set, "both", json!({"first": 2})).await;
        assert_eq!(both, Ok("2 cache db call-1".into()));
        assert_eq!(call(&set, "stateless", json!({})).await, Ok(json!(7).into()));
        let parameters = &set.get("both").expect("a tool").definition().parameters;
        assert_eq!(parameters["required"], json!(["first"]));
        assert_eq!(parameters["properties"].as_object().map(serde_json::Map::len), Some(1));
    }

    #[tokio::test]
    async fn state_can_be_an_arc() {
        let app = Arc::new(App { db: Db("shared"), cache: Cache("cache") });
        let set = tools![with Arc::clone(&app) => query];
        assert_eq!(call(&set, "query", json!({"key": 1})).await, Ok("shared:1".into()));
        let db = Arc::new(Db("alone"));
        let set = tools![with db.clone() => query, shared];
        assert_eq!(call(&set, "query", json!({"key": 1})).await, Ok("alone:1".into()));
        assert_eq!(call(&set, "shared", json!({})).await, Ok("alone".into()));
        drop(set);
        assert_eq!(Arc::strong_count(&db), 1);
        assert_eq!(query(&db, 3).await, "alone:3");
    }
}

mod streams {
    use super::*;

    /// Counts.
    #[tool]
    fn count(to: u8) -> impl Stream<Item = u8> {
        stream::iter(1..=to)
    }

    /// Writes a text, piece by piece.
    #[tool]
    async fn write(words: &[String]) -> impl Stream<Item = String> + Send {
        tokio::task::yield_now().await;
        stream::iter(words.to_vec())
    }

    /// Fails after one item.
    #[tool]
    fn breaks() -> impl Stream<Item = Result<&'static str, String>> {
        stream::iter([Ok("a"), Err("broken".to_owned()), Ok("b")])
    }

    /// Can fail before the stream.
    #[tool]
    async fn begins(#[default(true)] at_all: bool) -> Result<impl Stream<Item = Content>, String> {
        std::future::ready(()).await;
        if !at_all {
            return Err("not at all".to_owned());
        }
        Ok(stream::iter([Content::text("a"), Content::text("b")]))
    }

    /// Returns a `BoxStream`.
    #[tool]
    fn boxed(context: &ToolContext) -> BoxStream<'static, String> {
        Box::pin(stream::iter([context.call_id().to_owned()]))
    }

    /// Returns a pinned box.
    #[tool]
    fn pinned() -> std::pin::Pin<Box<dyn Stream<Item = u8> + Send>> {
        Box::pin(stream::empty())
    }

    #[tokio::test]
    async fn items_are_joined_or_the_last_one_is_sent() {
        let set = tools![count, write, breaks, begins, boxed, pinned];
        assert_eq!(call(&set, "count", json!({"to": 3})).await, Ok(json!(3).into()));
        assert_eq!(call(&set, "write", json!({"words": ["a", "b"]})).await, Ok("ab".into()));
        let error = call(&set, "breaks", json!({})).await.expect_err("it breaks");
        assert_eq!(error.message(), "broken");
        let parts = vec![Content::text("a"), Content::text("b")];
        assert_eq!(call(&set, "begins", json!({})).await, Ok(parts.into()));
        let error = call(&set, "begins", json!({"at_all": false})).await.expect_err("no stream");
        assert_eq!(error.message(), "not at all");
        assert_eq!(call(&set, "boxed", json!({})).await, Ok("call-1".into()));
        assert_eq!(call(&set, "pinned", json!({})).await, Ok(Value::Null.into()));
    }

    #[tokio::test]
    async fn direct_call_returns_the_stream() {
        assert_eq!(count(3).collect::<Vec<_>>().await, [1, 2, 3]);
        let words = ["a".to_owned()];
        assert_eq!(write(&words).await.collect::<Vec<_>>().await, ["a"]);
        assert_eq!(breaks().collect::<Vec<_>>().await.len(), 3);
        assert_eq!(begins(true).await.expect("a stream").count().await, 2);
        assert!(begins(false).await.is_err());
        assert_eq!(boxed(&ToolContext::new("x")).collect::<Vec<_>>().await, ["x"]);
        assert_eq!(pinned().count().await, 0);
    }
}
