//! The tools of a request: their JSON, written once for each list of tools, and the choice of one.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use chatlas_core::tool::ToolDefinition;
use chatlas_core::{ChatRequest, ProviderError, ProviderErrorKind, ToolChoice};
use serde_json::value::RawValue;

/// The definitions as a dialect wrote them, one fragment of JSON each.
pub(super) type Fragments = Arc<[Box<RawValue>]>;

/// The definitions of the lists of tools that are in use.
#[derive(Default)]
pub(super) struct ToolCache(Mutex<Vec<(Weak<[ToolDefinition]>, Fragments)>>);

impl ToolCache {
    /// Chats that share a provider may have different tools.
    const MAX_LISTS: usize = 8;

    /// Returns the definitions of a list, which are written by `write` if that has not been done.
    pub(super) fn get(
        &self,
        tools: &Arc<[ToolDefinition]>,
        write: impl FnOnce() -> Result<Vec<Box<RawValue>>, ProviderError>,
    ) -> Result<Fragments, ProviderError> {
        // All empty lists may have the same address.
        if tools.is_empty() {
            return write().map(Fragments::from);
        }
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The weak reference keeps the address from being used for another list.
        let is_same =
            |list: &Weak<[ToolDefinition]>| std::ptr::addr_eq(list.as_ptr(), Arc::as_ptr(tools));
        if let Some((_, fragments)) = lists.iter().find(|(list, _)| is_same(list)) {
            return Ok(Arc::clone(fragments));
        }
        let fragments = Fragments::from(write()?);
        lists.retain(|(list, _)| list.strong_count() > 0);
        if lists.len() == Self::MAX_LISTS {
            lists.remove(0);
        }
        lists.push((Arc::downgrade(tools), Arc::clone(&fragments)));
        Ok(fragments)
    }
}

/// Refuses the choice of a tool that the request does not offer.
pub(super) fn check_choice(request: &ChatRequest) -> Result<(), ProviderError> {
    let message = match &request.params.tool_choice {
        Some(ToolChoice::Required) if request.tools.is_empty() => {
            "the tool choice requires a tool call, and the request offers no tools".to_owned()
        }
        Some(ToolChoice::Tool(name)) if !request.tools.iter().any(|tool| *tool.name == **name) => {
            format!("the tool choice requires the tool `{name}`, which the request does not offer")
        }
        _ => return Ok(()),
    };
    let message = format!("{message}: add it with `Chat::with_tools`, or change the tool choice");
    Err(ProviderError::new(ProviderErrorKind::InvalidRequest, message))
}
