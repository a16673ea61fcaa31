//! The operations of a client.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use chatlas_core::provider::{EmbeddingRequest, Embeddings};
use chatlas_core::{
    ChatRequest, Completion, CompletionStream, Model, Provider, ProviderError, ProviderInfo,
};
use chatlas_macros::provider;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response, Url};

use super::decode::{Incoming, read_events};
use super::history::{self, Receiver};
use super::{
    Call, Client, Decoder as _, Dialect, EmbeddingCall, Framing as _, KeyIn, MAX_EVENT, Operation,
    Origin, Reply, ReplyHead, embeddings, surrogates, tools, with_request_id,
};
use crate::http::{
    Deadline, Outgoing, broken_off, complete_before, content_type, html_title, malformed,
    read_body, send,
};

/// The maximum number of pages of a list of models.
const MAX_PAGES: usize = 100;

/// The maximum length of a response with embeddings: 2,048 vectors of 4,096 numbers.
const MAX_EMBEDDINGS: usize = 256 << 20;

/// The number of bytes, after white space, by which a body of events is recognized.
const MIN_BEGINNING: usize = 8;
/// The maximum number of bytes that are read for that.
const MAX_BEGINNING: usize = 64 << 10;

/// A response with a success status.
struct Answer {
    response: Response,
    /// The part of the body that has been read.
    first: Bytes,
    origin: Origin,
}

impl Answer {
    /// Completes the error of reading the response.
    fn shown<T>(&self, result: Result<T, ProviderError>) -> Result<T, ProviderError> {
        result.map_err(|error| self.origin.shown(error))
    }

    /// Reads the first bytes of the body: enough of them to recognize events.
    async fn begin(&mut self) -> Result<(), ProviderError> {
        let mut first = Vec::new();
        while first.trim_ascii_start().len() < MIN_BEGINNING && first.len() < MAX_BEGINNING {
            let piece = self.response.chunk().await.map_err(|error| broken_off(&error));
            match self.shown(piece)? {
                Some(piece) => first.extend_from_slice(&piece),
                None => break,
            }
        }
        self.first = first.into();
        Ok(())
    }

    /// Reads the complete body.
    async fn body(&mut self) -> Result<Vec<u8>, ProviderError> {
        self.body_up_to(MAX_EVENT).await
    }

    /// Reads the complete body of at most `limit` bytes.
    async fn body_up_to(&mut self, limit: usize) -> Result<Vec<u8>, ProviderError> {
        let rest = read_body(&mut self.response, limit).await;
        let rest = self.shown(rest)?;
        let body = if self.first.is_empty() { rest } else { [&self.first[..], &rest].concat() };
        Ok(match surrogates::replaced(&body) {
            Cow::Owned(replaced) => replaced,
            Cow::Borrowed(_) => body,
        })
    }
}

impl<D: Dialect> Client<D> {
    fn head<'a>(&'a self, status: u16, headers: &'a HeaderMap) -> ReplyHead<'a> {
        let (vendor, model) = (self.endpoint.vendor(), self.endpoint.model());
        ReplyHead { vendor, model, status, headers }
    }

    /// Writes the body of a request.
    fn body(&self, request: &ChatRequest, operation: Operation) -> Result<Bytes, ProviderError> {
        tools::check_choice(request)?;
        let model = self.endpoint.model();
        let write = || self.dialect.tools(model, &request.tools);
        let tools = self.wire.tools.get(&request.tools, write)?;
        let vendor = self.endpoint.vendor();
        let (turns, is_home) = (request.turns.as_slice(), self.endpoint.is_home());
        let call = Call { vendor, model, request, turns, is_home, operation, tools: &tools };
        let receiver = Receiver {
            rules: self.dialect.rules(&call),
            is_message: &|content| self.dialect.is_message(&call, content),
            check_media: &|content| self.dialect.check_media(&call, content),
        };
        let turns = history::fit(&receiver, turns)?;
        let call = Call { turns: &turns, ..call };
        let mut body = self.wire.new_body();
        self.dialect.write(&call, &mut body)?;
        self.wire.keep_length(&body);
        Ok(body.into())
    }

    /// Sends a request until it is answered with success, fails permanently, or has been repeated
    /// often enough.
    async fn send(
        &self,
        operation: Operation,
        request: Option<&ChatRequest>,
        url: Option<&Url>,
        deadline: Option<Deadline>,
    ) -> Result<Answer, ProviderError> {
        let body = request.map(|request| self.body(request, operation)).transpose()?;
        self.send_body(operation, request, body, url, deadline).await
    }

    /// Sends a request with a body that is written.
    async fn send_body(
        &self,
        operation: Operation,
        request: Option<&ChatRequest>,
        body: Option<Bytes>,
        url: Option<&Url>,
        deadline: Option<Deadline>,
    ) -> Result<Answer, ProviderError> {
        let Self { dialect, endpoint, wire } = self;
        let url = match url {
            Some(url) => url.clone(),
            None => wire.url(dialect, endpoint, operation)?,
        };
        endpoint.check_key()?;
        let connection = wire.connection(endpoint)?;
        let mut headers = connection.headers.clone();
        if body.is_none() {
            headers.remove(CONTENT_TYPE);
        }
        dialect.headers(operation, request, &mut headers)?;
        let mut secrets = connection.secrets.clone();
        let token = match endpoint.tokens() {
            Some(tokens) => Some(Box::pin(tokens.token()).await?),
            None => None,
        };
        if let Some(token) = &token {
            let (name, value) = KeyIn::Bearer.header(token)?;
            headers.insert(name, value);
            secrets = secrets.and([token.expose()]);
        }
        endpoint.add_custom_headers(&mut headers)?;
        let signer = if endpoint.is_authenticated() {
            None
        } else {
            Box::pin(dialect.signer(endpoint)).await?
        };
        if let Some(signer) = &signer {
            secrets = secrets.and(signer.secrets());
        }
        let request_id = |headers: &HeaderMap| {
            let mut ids = D::REQUEST_ID_HEADERS.iter();
            let id = ids.find_map(|name| headers.get(*name)?.to_str().ok());
            id.map(str::to_owned)
        };
        let explain = |status: u16, headers: &HeaderMap, body: &str| {
            let head = self.head(status, headers);
            let body = surrogates::replaced(body.as_bytes());
            let body = String::from_utf8_lossy(&body);
            let error = dialect.error(&head, &body).with_status(status);
            with_request_id(error, request_id(headers).as_deref())
        };
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let signer = signer.as_deref();
        let outgoing = Outgoing { method, url, headers, body, signer, deadline };
        match send(&endpoint.http, &connection.sender, outgoing, &secrets, &explain).await {
            Ok(response) => {
                let request_id = request_id(response.headers());
                let origin = Origin { vendor: endpoint.vendor().name, secrets, request_id };
                Ok(Answer { response, first: Bytes::new(), origin })
            }
            Err(error) => {
                if let (Some(tokens), Some(token), Some(401)) =
                    (endpoint.tokens(), &token, error.status())
                {
                    tokens.forget(token);
                }
                if let Some(signer) = signer {
                    signer.rejected(&error);
                }
                Err(error)
            }
        }
    }

    /// Sends one request for embeddings.
    pub(super) async fn embed_once(
        &self,
        request: &EmbeddingRequest,
        inputs: &[String],
        deadline: Option<Deadline>,
    ) -> Result<Embeddings, ProviderError> {
        let url = self.wire.url(&self.dialect, &self.endpoint, Operation::Embed)?;
        let (vendor, model) = (self.endpoint.vendor(), self.endpoint.model());
        let mut body = Vec::with_capacity(inputs.iter().map(String::len).sum::<usize>() + 512);
        self.dialect
            .write_embeddings(&EmbeddingCall { vendor, model, request, inputs }, &mut body)?;
        let body = Some(body.into());
        let mut answer = self.send_body(Operation::Embed, None, body, Some(&url), deadline).await?;
        let body = answer.body_up_to(MAX_EMBEDDINGS).await?;
        let head = self.head(answer.response.status().as_u16(), answer.response.headers());
        let read = self.dialect.embeddings(&head, &body);
        answer.shown(read.and_then(|result| embeddings::check(result, inputs.len())))
    }

    /// Reads a reply that is not streamed.
    async fn complete(
        &self,
        mut answer: Answer,
        request: &ChatRequest,
    ) -> Result<Completion, ProviderError> {
        let head = self.head(answer.response.status().as_u16(), answer.response.headers());
        let mut decoder = self.dialect.decoder(&head, Some(request));
        let body = answer.body().await?;
        let mut reply = Reply::complete();
        let result = if D::Framing::begins(&body) {
            read_events::<_, D::Framing>(body, &mut decoder, &mut reply)
        } else {
            decoder.complete(&body, &mut reply)
        };
        match answer.shown(result) {
            Ok(()) => Ok(reply.into_completion()),
            Err(error) if error.partial().is_some() => Err(error),
            Err(error) => Err(match reply.into_partial() {
                Some(partial) => error.with_partial(partial),
                None => error,
            }),
        }
    }
}

#[provider(crate = chatlas_core)]
impl<D: Dialect> chatlas_core::Provider for Client<D> {
    fn info(&self) -> &ProviderInfo {
        self.endpoint.info()
    }

    async fn chat(&self, request: ChatRequest) -> Result<Completion, ProviderError> {
        let deadline = self.endpoint.http.deadline();
        complete_before(deadline, async {
            let answer = self.send(Operation::Chat, Some(&request), None, deadline).await?;
            self.complete(answer, &request).await
        })
        .await
    }

    async fn chat_stream(&self, request: ChatRequest) -> Result<CompletionStream, ProviderError> {
        let deadline = self.endpoint.http.deadline();
        complete_before(deadline, async {
            let mut answer = self.send(Operation::Stream, Some(&request), None, deadline).await?;
            let kind = content_type(&answer.response);
            let is_stream = kind == D::Framing::CONTENT_TYPE || {
                // Some servers send events as another media type, or without one.
                answer.begin().await?;
                D::Framing::begins(&answer.first)
            };
            if is_stream {
                let Answer { response, first, origin } = answer;
                let head = self.head(response.status().as_u16(), response.headers());
                let decoder = self.dialect.decoder(&head, Some(&request));
                let incoming =
                    Incoming::<D::Decoder, D::Framing>::new(first, response, decoder, origin);
                return Ok(CompletionStream::accumulating(incoming.with_deadline(deadline)));
            }
            if kind == "application/json"
                || matches!(answer.first.trim_ascii_start(), [b'{' | b'[', ..])
            {
                // A server that does not stream sends a complete reply.
                let completion = self.complete(answer, &request).await?;
                return Ok(CompletionStream::from_completion(completion));
            }
            let page = html_title(&String::from_utf8_lossy(&answer.first));
            let page = page.map(|page| format!(": {page}")).unwrap_or_default();
            answer.shown(Err(malformed(&format!(
                "an event stream was requested, but the content type is `{kind}`{page}"
            ))))
        })
        .await
    }

    async fn list_models(&self) -> Result<Vec<Model>, ProviderError> {
        let deadline = self.endpoint.http.deadline();
        complete_before(deadline, async {
            let first = self.wire.url(&self.dialect, &self.endpoint, Operation::Models)?;
            let (mut urls, mut models) = (vec![first.clone()], Vec::new());
            loop {
                let mut answer = self.send(Operation::Models, None, urls.last(), deadline).await?;
                let body = answer.body().await?;
                let page = answer.shown(self.dialect.models(&body))?;
                models.extend(page.models);
                if page.next.is_empty() {
                    return Ok(models);
                }
                let mut next = first.clone();
                next.query_pairs_mut().extend_pairs(page.next);
                if urls.contains(&next) {
                    return answer.shown(Err(malformed("its list of models repeats a page")));
                }
                if urls.len() == MAX_PAGES {
                    let problem = format!("its list of models has more than {MAX_PAGES} pages");
                    return answer.shown(Err(malformed(&problem)));
                }
                urls.push(next);
            }
        })
        .await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<u64, ProviderError> {
        let deadline = self.endpoint.http.deadline();
        complete_before(deadline, async {
            let mut answer = self.send(Operation::Count, Some(&request), None, deadline).await?;
            let body = answer.body().await?;
            answer.shown(self.dialect.count(&body))
        })
        .await
    }

    async fn embed(&self, request: EmbeddingRequest) -> Result<Embeddings, ProviderError> {
        let deadline = self.endpoint.http.deadline();
        complete_before(deadline, self.embed_all(&request, deadline)).await
    }

    fn for_model(&self, model: &str) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(Arc::new(self.clone().with_model(model)))
    }
}
