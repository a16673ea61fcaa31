//! The shapes of functions that the attributes accept.

use std::fmt::Display;
use std::pin::Pin;

use chatlas::testing::Recorder;
use chatlas::{agent, plan, retriever, workflow};
use futures_util::{Stream, StreamExt as _, stream};

struct Desk {
    log: Vec<String>,
}

impl Desk {
    /// Takes `&mut self`, and returns a borrow of it.
    #[agent]
    fn note(&mut self, text: &str) -> &mut String {
        self.log.push(text.to_owned());
        self.log.last_mut().unwrap()
    }

    #[agent(name = "desk", fields("app.size" = self.log.len()))]
    async fn read<'a>(&'a self, prompt: &str) -> Option<&'a str> {
        self.log.iter().map(String::as_str).find(|line| line.contains(prompt))
    }

    #[workflow]
    async fn consume(mut self, mut extra: Vec<String>) -> usize {
        self.log.append(&mut extra);
        self.log.len()
    }
}

#[agent]
async fn generic<T, const N: usize>(values: [T; N]) -> String
where
    T: Display + Send + Sync,
{
    values.iter().map(ToString::to_string).collect()
}

#[agent]
async fn question_mark(text: &str) -> Result<i32, Box<dyn std::error::Error + Send + Sync>> {
    let number: i32 = text.parse()?;
    if number < 0 {
        return Err("negative".into());
    }
    Ok(number)
}

#[agent]
async fn coerces(n: i32) -> Box<dyn Display + Send> {
    if n > 0 { Box::new(n) } else { Box::new("none") }
}

#[agent]
fn boxed() -> Pin<Box<dyn Stream<Item = u32> + Send>> {
    Box::pin(stream::iter(0..3))
}

#[agent]
async fn fallible(fails: bool) -> Result<impl Stream<Item = u32> + Send, String> {
    if fails { Err("closed".to_owned()) } else { Ok(stream::iter(0..3)) }
}

#[plan]
fn unit() {}

#[retriever]
fn array(query: &str) -> [String; 2] {
    [query.to_owned(), query.to_owned()]
}

#[tokio::test]
async fn methods_borrows_generics_and_streams_work() {
    let trace = Recorder::new();
    let mut desk = Desk { log: Vec::new() };
    desk.note("call Ada").push('!');
    assert_eq!(desk.read("Ada").await, Some("call Ada!"));
    assert_eq!(desk.consume(vec!["more".to_owned()]).await, 2);
    assert_eq!(generic([1, 2]).await, "12");
    assert_eq!(question_mark("7").await.unwrap(), 7);
    question_mark("x").await.unwrap_err();
    question_mark("-1").await.unwrap_err();
    assert_eq!(coerces(0).await.to_string(), "none");
    assert_eq!(boxed().collect::<Vec<_>>().await, [0, 1, 2]);
    assert_eq!(fallible(false).await.unwrap().collect::<Vec<_>>().await, [0, 1, 2]);
    assert!(fallible(true).await.is_err());
    unit();
    assert_eq!(array("x").len(), 2);
    trace.assert_sound();
    assert_eq!(trace.spans().len(), 13);
    assert_eq!(trace.span("invoke_agent desk")["app.size"], 1);
    let errors: Vec<_> = trace
        .spans()
        .iter()
        .filter(|span| span.is_error())
        .map(|span| span["error.type"].clone())
        .collect();
    assert_eq!(errors, ["_OTHER", "_OTHER", "alloc::string::String"]);
}
