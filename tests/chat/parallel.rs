//! Parallel prompts: results in order, bounded concurrency, one span for each below the caller's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::timeout::in_time;
use chatlas::prelude::*;
use chatlas::testing::Recorder;
use chatlas::{
    AssistantTurn, ChatRequest, Completion, ProviderError, ProviderErrorKind, ProviderInfo,
};
use opentelemetry::trace::{TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, global};

/// Returns the prompt, the first prompts last, and counts the concurrent calls.
struct Echo {
    info: ProviderInfo,
    busy: AtomicUsize,
    most: Arc<AtomicUsize>,
}

impl Echo {
    fn new() -> (Self, Arc<AtomicUsize>) {
        let most = Arc::<AtomicUsize>::default();
        let info = ProviderInfo::new("echo").with_model("m").with_server("echo.example", 443);
        (Self { info, busy: AtomicUsize::new(0), most: Arc::clone(&most) }, most)
    }
}

#[provider]
impl Provider for Echo {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(busy, Ordering::SeqCst);
        let prompt = request.turns.last().map(|turn| turn.text()).unwrap_or_default();
        let number: u64 = prompt.parse().unwrap_or(0);
        tokio::time::sleep(std::time::Duration::from_millis(20_u64.saturating_sub(number))).await;
        self.busy.fetch_sub(1, Ordering::SeqCst);
        if prompt == "7" {
            return Err(ProviderError::new(ProviderErrorKind::Overloaded, "not seven"));
        }
        Ok(AssistantTurn::new(vec![Content::text(prompt)]))
    }
}

#[tokio::test]
async fn results_are_in_prompt_order_and_concurrency_is_bounded() {
    let recorder = Recorder::new();
    let (provider, most) = Echo::new();
    let chat = Chat::new(provider).with_name("echo");
    let caller = Context::current_with_span(global::tracer("app").start("caller"));
    let asking = {
        let _guard = caller.clone().attach();
        chat.parallel((0..20).map(|n| n.to_string()), 4)
    };
    let branches = in_time(asking).await;
    assert_eq!(branches.len(), 20);
    for (n, branch) in branches.iter().enumerate() {
        match &branch.result {
            Ok(reply) => assert_eq!(reply.text(), n.to_string()),
            Err(error) => assert_eq!((n, error.error_type().as_ref()), (7, "overloaded")),
        }
        assert_eq!(branch.chat.turns().len(), if n == 7 { 0 } else { 2 });
    }
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert!(chat.turns().is_empty(), "the chat's own history is unchanged");
    caller.span().end();
    let spans = recorder.spans();
    let agents: Vec<_> = spans.iter().filter(|span| span.name() == "invoke_agent echo").collect();
    assert_eq!(agents.len(), 20);
    let above = caller.span().span_context().span_id();
    assert!(agents.iter().all(|agent| agent.parent_id() == above));
    let trace = agents[0].trace_id();
    assert!(spans.iter().all(|span| span.trace_id() == trace));
    recorder.assert_sound();
}

#[tokio::test]
async fn parallel_prompts_can_run_in_a_spawned_task() {
    let _recorder = Recorder::new();
    let (provider, _) = Echo::new();
    let chat = Chat::new(provider);
    let asking = tokio::spawn(async move { chat.parallel(["1", "2"], 0).await });
    assert_eq!(in_time(asking).await.unwrap().len(), 2);
}
