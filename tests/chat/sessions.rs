//! Sessions: save, restore, fork, undo, repeat, edit, trim, compact and export a conversation.

use std::sync::Arc;

use chatlas::chat::HistoryLimit;
use chatlas::prelude::*;
use chatlas::session::ExportOptions;
use chatlas::stores::{FileSessionStore, InMemorySessionStore};
use chatlas::testing::{Answer, Recorder, Script};
use chatlas::{Session, SessionError, SessionStore};
use serde_json::json;

use crate::support::history::assert_in_order;

const COMPACTED: &str = "gen_ai.conversation.compacted";

/// Look something up.
#[tool]
fn look() -> String {
    "found".to_owned()
}

fn texts(chat: &Chat) -> Vec<String> {
    chat.turns().iter().map(|turn| turn.text()).collect()
}

/// A conversation of three exchanges, of which the second has a tool call.
async fn conversation(then: impl FnOnce(Script) -> Script) -> Chat {
    let model = Script::new()
        .then(Answer::says("one").with_tokens(10, 1))
        .then(Answer::calls("look", json!({})).with_tokens(20, 2))
        .then(Answer::says("two").with_tokens(30, 3))
        .then(Answer::says("three").with_tokens(40, 4));
    let mut chat = Chat::new(then(model))
        .with_system_prompt("Be brief.")
        .with_conversation_id("c-1")
        .with_title("Numbers")
        .with_temperature(0.5)
        .with_tools(tools![look]);
    for prompt in ["a", "b", "c"] {
        chat.chat(prompt).await.unwrap();
    }
    chat
}

#[tokio::test]
async fn restored_session_continues_with_another_provider() {
    let _recorder = Recorder::new();
    let chat = conversation(|model| model).await;
    let session = Session::from_json(&chat.session().to_json().unwrap()).unwrap();
    assert_eq!(session.id.as_deref(), Some("c-1"));
    assert_eq!(session.usage.input_tokens, Some(100));
    assert_eq!(session.tools, ["look"]);
    let model = Script::new().says("four");
    let mut restored = Chat::from_session(session, model, tools![look]).unwrap();
    assert_eq!(restored.turns(), chat.turns());
    assert_eq!(restored.system_prompt(), Some("Be brief."));
    assert_eq!(restored.title(), Some("Numbers"));
    assert_eq!(restored.params(), chat.params());
    assert_eq!(restored.chat("d").await.unwrap().text(), "four");
    assert_in_order(restored.turns());
}

#[tokio::test]
async fn missing_tools_are_named_and_leave_the_chat_unchanged() {
    let _recorder = Recorder::new();
    let session = conversation(|model| model).await.session();
    let mut chat = Chat::new(Script::new());
    let error = chat.restore(session.clone()).unwrap_err();
    assert!(error.to_string().contains("missing: look;"), "{error}");
    assert!(chat.turns().is_empty());
    let mut without = session;
    without.tools.clear();
    chat.restore(without).unwrap();
    assert_eq!(chat.turns().len(), 8);
}

#[tokio::test]
async fn undo_removes_a_prompt_with_its_tool_calls() {
    let _recorder = Recorder::new();
    let mut chat = conversation(|model| model).await;
    assert_eq!(chat.undo().unwrap().len(), 2);
    let removed = chat.undo().unwrap();
    assert_eq!((removed.len(), removed[0].text().as_str()), (4, "b"));
    assert_eq!(texts(&chat), ["a", "one"]);
    assert_eq!(chat.session().removed_usage.input_tokens, Some(90));
    assert!(chat.undo().is_some() && chat.undo().is_none());
}

#[tokio::test]
async fn undo_keeps_the_results_of_interrupted_calls() {
    let _recorder = Recorder::new();
    let open = Answer::calls("look", json!({}));
    let mut chat = Chat::new(Script::new().then(open).says("done"))
        .with_tools(tools![look])
        .with_max_rounds(1);
    chat.chat("a").await.unwrap_err();
    chat.chat("b").await.unwrap();
    let removed = chat.undo().unwrap();
    assert_eq!(removed[0].text(), "b");
    assert_eq!(removed[0].contents().len(), 1);
    assert_eq!(chat.turns().len(), 3, "prompt, call, result");
}

#[tokio::test]
async fn regenerate_replaces_the_replies_and_edit_replaces_the_prompt() {
    let _recorder = Recorder::new();
    let mut chat = conversation(|model| model.says("THREE").says("B")).await;
    assert_eq!(chat.regenerate().await.unwrap().unwrap().text(), "THREE");
    assert_eq!(texts(&chat)[6..], ["c", "THREE"]);
    assert!(chat.edit(3, "x").await.unwrap().is_none());
    assert_eq!(chat.edit(1, "b2").await.unwrap().unwrap().text(), "B");
    assert_eq!(texts(&chat), ["a", "one", "b2", "B"]);
}

#[tokio::test]
async fn failed_or_dropped_regenerate_keeps_the_replies() {
    let _recorder = Recorder::new();
    let error = ProviderError::new(ProviderErrorKind::RateLimit, "later");
    let mut chat =
        conversation(|model| model.fails(error).then(Answer::says("x").then_stalls())).await;
    let (before, session) = (texts(&chat), chat.session());
    chat.regenerate().await.unwrap_err();
    assert_eq!(texts(&chat), before);
    {
        let mut run = Box::pin(chat.edit(0, "z"));
        assert!(futures_util::poll!(&mut run).is_pending());
    }
    assert_eq!(texts(&chat), before);
    assert_eq!(chat.session().removed_usage, session.removed_usage);
}

#[tokio::test]
async fn failed_regenerate_does_not_replace_the_saved_replies() {
    let _recorder = Recorder::new();
    let store = Arc::new(InMemorySessionStore::new());
    let error = ProviderError::new(ProviderErrorKind::RateLimit, "later");
    let model = Script::new().says("one").fails(error).says("two");
    let mut chat = Chat::new(model).with_conversation_id("c-1").with_store(store.clone());
    chat.chat("a").await.unwrap();
    chat.regenerate().await.unwrap_err();
    let saved = async || store.load("c-1").await.unwrap().unwrap().turns[1].text();
    assert_eq!(saved().await, "one");
    chat.regenerate().await.unwrap();
    assert_eq!(saved().await, "two");
    assert!(chat.save_error().is_none());
}

#[tokio::test]
async fn fork_has_its_own_id_and_revision() {
    let _recorder = Recorder::new();
    let store = InMemorySessionStore::new();
    let mut chat = conversation(|model| model).await;
    chat.save(&store).await.unwrap();
    let mut fork = chat.fork("c-2");
    fork.undo();
    fork.save(&store).await.unwrap();
    chat.save(&store).await.unwrap();
    assert_eq!(store.load("c-1").await.unwrap().unwrap().turns.len(), 8);
    assert_eq!(store.load("c-2").await.unwrap().unwrap().turns.len(), 6);
    let mut clone = chat.clone();
    clone.save(&store).await.unwrap();
    let error = chat.save(&store).await.unwrap_err();
    assert!(matches!(error, SessionError::Conflict { expected: 2, found: 3, .. }), "{error:?}");
}

#[tokio::test]
async fn trim_removes_complete_exchanges_and_marks_model_calls() {
    let recorder = Recorder::new();
    let mut chat = conversation(|model| model.says("four")).await;
    assert_eq!(chat.trim(1_000), 0);
    assert!(recorder.spans().iter().all(|span| span.attributes().get(COMPACTED).is_none()));
    let mut kept_first = chat.clone();
    assert_eq!(kept_first.trim(HistoryLimit::new(0).with_first_exchange(true)), 4);
    assert_eq!(texts(&kept_first), ["a", "one", "c", "three"]);
    assert_eq!(chat.trim(0), 6);
    assert_eq!(texts(&chat), ["c", "three"]);
    assert_eq!(chat.trim(0), 0, "the last exchange is kept");
    chat.chat("d").await.unwrap();
    let marked = |operation: &str| {
        let spans = recorder.spans_with_operation(operation).into_iter();
        spans.filter(|span| span.attributes().get(COMPACTED) == Some(&json!(true))).count()
    };
    assert_eq!((marked("chat"), marked("invoke_agent")), (1, 0));
    recorder.assert_sound();
    assert_eq!(chat.session().removed_usage.output_tokens, Some(6));
}

#[tokio::test]
async fn history_limit_trims_before_each_run() {
    let _recorder = Recorder::new();
    let reply = || Answer::says("word").with_tokens(9, 125);
    let model = Script::new().then(reply()).then(reply()).then(reply());
    let mut chat = Chat::new(model).with_history_limit(150);
    for prompt in ["a", "b", "c"] {
        chat.chat(prompt).await.unwrap();
        assert!(chat.turns().len() <= 4);
    }
    assert_eq!(chat.turns()[0].text(), "b");
}

#[tokio::test]
async fn compact_replaces_earlier_exchanges_by_a_summary() {
    let recorder = Recorder::new();
    let mut chat = conversation(|model| model.says("Counted to two.").says("four")).await;
    assert!(chat.compact(3).await.unwrap().is_none());
    assert_eq!(chat.compact(1).await.unwrap().unwrap().text(), "Counted to two.");
    assert_eq!(texts(&chat)[1..], ["Counted to two.", "c", "three"]);
    chat.chat("d").await.unwrap();
    assert_in_order(chat.turns());
    assert_eq!(recorder.spans_with_operation("invoke_agent").len(), 5);
    recorder.assert_sound();
    assert!(chat.session().compacted);
    chat.clear();
    assert!(!chat.session().compacted && chat.turns().is_empty());
}

#[tokio::test]
async fn failed_compact_leaves_the_conversation_unchanged() {
    let _recorder = Recorder::new();
    let error = ProviderError::new(ProviderErrorKind::RateLimit, "later");
    let mut chat = conversation(|model| model.fails(error)).await;
    let before = texts(&chat);
    chat.compact(1).await.unwrap_err();
    assert_eq!(texts(&chat), before);
    assert!(!chat.session().compacted);
}

#[tokio::test]
async fn chat_with_a_store_saves_after_each_run_and_keeps_the_reply_if_that_fails() {
    let _recorder = Recorder::new();
    let store = Arc::new(InMemorySessionStore::new());
    let model = Script::new().says("one").says("two").says("three");
    let mut chat = Chat::new(model).with_store(store.clone());
    assert_eq!(chat.chat("a").await.unwrap().text(), "one");
    assert!(matches!(chat.save_error(), Some(SessionError::MissingId)));
    chat.set_conversation_id("c-1");
    chat.stream("b").collect::<Vec<_>>().await;
    assert!(chat.save_error().is_none());
    assert_eq!(store.load("c-1").await.unwrap().unwrap().turns, chat.turns());
    let mut other = store.load("c-1").await.unwrap().unwrap();
    other.title = Some("Other".to_owned());
    store.save(other).await.unwrap();
    assert_eq!(chat.chat("c").await.unwrap().text(), "three");
    assert!(matches!(chat.save_error(), Some(SessionError::Conflict { .. })));
    assert_eq!(store.load("c-1").await.unwrap().unwrap().title.as_deref(), Some("Other"));
}

#[tokio::test]
async fn cancelled_run_is_saved_and_dropped_run_leaves_the_saved_state() {
    let _recorder = Recorder::new();
    let store = Arc::new(InMemorySessionStore::new());
    let stalls = || Answer::says("partial").then_stalls();
    let model = Script::new().says("one").then(stalls()).then(stalls());
    let mut chat = Chat::new(model).with_conversation_id("c-1").with_store(store.clone());
    chat.chat("a").await.unwrap();
    drop(chat.stream("b").take(1).collect::<Vec<_>>().await);
    let saved = store.load("c-1").await.unwrap().unwrap();
    assert_eq!((saved.turns.len(), saved.revision), (2, 1));
    let token = chat.cancellation().clone();
    {
        let mut events = chat.stream("c");
        events.next().await;
        token.cancel();
        assert_eq!(events.next().await, Some(Err(ChatError::Cancelled)));
    }
    assert!(chat.save_error().is_none());
    assert_eq!(store.load("c-1").await.unwrap().unwrap().turns, chat.turns());
}

#[tokio::test]
async fn branches_are_not_saved() {
    let _recorder = Recorder::new();
    let store = Arc::new(InMemorySessionStore::new());
    let chat = Chat::new(Script::new().says("x").says("y"))
        .with_conversation_id("c-1")
        .with_store(store.clone());
    for branch in chat.parallel(["a", "b"], 2).await {
        branch.result.unwrap();
    }
    assert!(store.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn export_selects_the_format_and_does_not_overwrite() {
    let _recorder = Recorder::new();
    let folder = Folder::new("export");
    let chat = conversation(|model| model).await;
    let options = ExportOptions::new().with_tools(true);
    let path = folder.0.join("chat.md");
    chat.export(&path, options, false).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# Numbers\n\n## User\n\na\n\n## Assistant\n\none\n"), "{text}");
    assert!(text.contains("**Tool result: look**\n\n```\nfound\n```\n"), "{text}");
    assert!(matches!(chat.export(&path, options, false), Err(SessionError::Store(_))));
    chat.export(&path, ExportOptions::new(), true).unwrap();
    assert!(!std::fs::read_to_string(&path).unwrap().contains("found"));
    chat.export(folder.0.join("chat.HTML"), options, false).unwrap();
    let error = chat.export(folder.0.join("chat.pdf"), options, false).unwrap_err();
    assert!(matches!(error, SessionError::UnsupportedFormat { .. }), "{error:?}");
}

/// A folder that is removed at the end of the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("chatlas-sessions-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn session(id: &str) -> Session {
    let mut session = Session::new();
    session.id = Some(id.to_owned());
    session
}

async fn assert_store(first: &dyn SessionStore, second: &dyn SessionStore) {
    assert!(first.load("c-1").await.unwrap().is_none());
    assert!(matches!(first.save(Session::new()).await, Err(SessionError::MissingId)));
    assert_eq!(first.save(session("c-1")).await.unwrap(), 1);
    let conflict = second.save(session("c-1")).await.unwrap_err();
    assert!(matches!(conflict, SessionError::Conflict { expected: 0, found: 1, .. }), "{conflict}");
    let mut loaded = second.load("c-1").await.unwrap().unwrap();
    assert_eq!(loaded.revision, 1);
    loaded.title = Some("Second".to_owned());
    loaded.updated = 7;
    assert_eq!(second.save(loaded.clone()).await.unwrap(), 2);
    assert!(matches!(first.save(loaded).await, Err(SessionError::Conflict { .. })));
    for id in ["../../etc/passwd", "C-1", "c.1.json", "Zoë / 2"] {
        assert_eq!(first.save(session(id)).await.unwrap(), 1, "{id}");
        assert_eq!(second.load(id).await.unwrap().unwrap().id.as_deref(), Some(id));
    }
    let list = second.list().await.unwrap();
    assert_eq!(list.len(), 5);
    assert_eq!((list[0].title.as_deref(), list[0].revision), (Some("Second"), 2));
    assert!(first.delete("c-1").await.unwrap() && !second.delete("c-1").await.unwrap());
    assert!(second.load("c-1").await.unwrap().is_none());
}

/// Saves one session from several tasks, each of which loads it again after a conflict.
async fn assert_no_lost_writes(stores: Vec<Arc<dyn SessionStore>>) {
    const WRITES: usize = 10;
    stores[0].save(session("shared")).await.unwrap();
    let writers = stores.len();
    let tasks = stores.iter().cloned().enumerate().map(|(writer, store)| {
        tokio::spawn(async move {
            for write in 0..WRITES {
                loop {
                    let mut session = store.load("shared").await.unwrap().unwrap();
                    session.other.insert(format!("{writer}.{write}"), json!(true));
                    match store.save(session).await {
                        Ok(_) => break,
                        Err(SessionError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let session = stores[0].load("shared").await.unwrap().unwrap();
    assert_eq!(session.other.len(), writers * WRITES);
    assert_eq!(session.revision, 1 + (writers * WRITES) as u64);
}

#[tokio::test]
async fn memory_store_detects_conflicts() {
    let store = InMemorySessionStore::new();
    assert_store(&store, &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_store_detects_conflicts_and_loses_no_write() {
    let folder = Folder::new("files");
    let open = || FileSessionStore::new(folder.0.join("new"));
    assert_store(&open(), &open()).await;
    let files = std::fs::read_dir(folder.0.join("new")).unwrap().count();
    assert_eq!(files, 4, "one file per session");
    assert_no_lost_writes((0..3).map(|_| Arc::new(open()) as _).collect()).await;
    assert!(open().load("").await.is_err() && open().load(&"x".repeat(300)).await.is_err());
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_store_detects_conflicts_and_loses_no_write() {
    use chatlas::stores::SqliteSessionStore;

    let folder = Folder::new("sqlite");
    let open = || SqliteSessionStore::open(folder.0.join("chats.sqlite")).unwrap();
    assert_store(&open(), &open()).await;
    assert_no_lost_writes((0..3).map(|_| Arc::new(open()) as _).collect()).await;
}
