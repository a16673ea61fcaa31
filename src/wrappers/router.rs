//! Chooses the provider of each call.

use std::fmt;
use std::sync::Arc;

use super::begin::{complete, named};
use crate::telemetry::names;
use crate::{
    ChatRequest, Completion, CompletionStream, EmbeddingRequest, Embeddings, Model, Provider,
    ProviderError, ProviderInfo, provider,
};

/// Chooses the provider of each call by the request.
///
/// The first route whose condition holds is taken, else the default provider. The `chat` span has the
/// attribute `chatlas.route`, the name of the route. Each round of a run is routed: a conversation may
/// move to another vendor when it needs, for example, a longer context.
///
/// Embeddings, token counts and the list of models are those of the default provider.
///
/// ```
/// use chatlas::wrappers::Router;
/// # use chatlas::testing::Script;
/// # let (small, large) = (Script::new(), Script::new());
///
/// let provider = Router::new(small)
///     .with_route("long", |request| request.turns.len() > 40, large);
/// ```
pub struct Router {
    default: Arc<dyn Provider>,
    routes: Vec<Route>,
}

struct Route {
    name: String,
    condition: Box<dyn Fn(&ChatRequest) -> bool + Send + Sync>,
    provider: Arc<dyn Provider>,
}

impl Router {
    /// Creates a router that sends every call to that provider.
    pub fn new(default: impl Provider) -> Self {
        Self { default: Arc::new(default), routes: Vec::new() }
    }

    /// Adds a route after those that exist. Its condition is called for each request, so it must be
    /// quick.
    #[must_use]
    pub fn with_route(
        mut self,
        name: impl Into<String>,
        condition: impl Fn(&ChatRequest) -> bool + Send + Sync + 'static,
        provider: impl Provider,
    ) -> Self {
        self.routes.push(Route {
            name: name.into(),
            condition: Box::new(condition),
            provider: Arc::new(provider),
        });
        self
    }

    /// Returns the provider of a request, and the request with the name of the route.
    fn route(&self, request: ChatRequest) -> (&dyn Provider, ChatRequest) {
        match self.routes.iter().find(|route| (route.condition)(&request)) {
            Some(route) => {
                let request = request.with_attribute(names::ROUTE, route.name.clone());
                (&*route.provider, request)
            }
            None => (&*self.default, request.with_attribute(names::ROUTE, "default")),
        }
    }
}

#[provider(transparent, crate = crate)]
impl Provider for Router {
    fn info(&self) -> &ProviderInfo {
        self.default.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let (provider, request) = self.route(request);
        complete(provider, request).await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let (provider, request) = self.route(request);
        Ok(named(provider.chat_stream(request).await?, provider.info()))
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        self.default.list_models().await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        self.default.count_tokens(request).await
    }

    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        self.default.embed(request).await
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<_> = self.routes.iter().map(|route| &route.name).collect();
        f.debug_struct("Router")
            .field("default", &self.default.info().name)
            .field("routes", &routes)
            .finish()
    }
}
