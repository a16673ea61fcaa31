//! The operations of a client.

use std::sync::Arc;

use bytes::Bytes;
use chatlas_core::{
    ChatRequest, Completion, CompletionStream, Model, Provider, ProviderError, ProviderInfo,
};
use chatlas_macros::provider;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response, Url};

use super::decode::Incoming;
use super::{
    Call, Client, Decoder as _, Dialect, Framing as _, KeyIn, MAX_EVENT, Operation, Reply,
    ReplyHead, with_request_id,
};
use crate::http::{
    Deadline, Outgoing, Secrets, complete_before, content_type, malformed, read_body, send,
};

/// The maximum number of pages of a list of models.
const MAX_PAGES: usize = 100;

/// A response with a success status.
struct Answer {
    response: Response,
    /// The strings that no error message may contain.
    secrets: Secrets,
    request_id: Option<String>,
}

impl Answer {
    /// Removes secrets from the error of reading the response.
    fn shown<T>(&self, result: Result<T, ProviderError>) -> Result<T, ProviderError> {
        result
            .map_err(|error| self.secrets.hide(with_request_id(error, self.request_id.as_deref())))
    }

    /// Reads the complete body.
    async fn body(&mut self) -> Result<Vec<u8>, ProviderError> {
        let body = read_body(&mut self.response, MAX_EVENT).await;
        self.shown(body)
    }
}

impl<D: Dialect> Client<D> {
    fn head<'a>(&'a self, status: u16, headers: &'a HeaderMap) -> ReplyHead<'a> {
        let (vendor, model) = (self.endpoint.vendor(), self.endpoint.model());
        ReplyHead { vendor, model, status, headers }
    }

    /// Writes the body of a request.
    fn body(&self, request: &ChatRequest, operation: Operation) -> Result<Bytes, ProviderError> {
        let model = self.endpoint.model();
        let write = || self.dialect.tools(model, &request.tools);
        let tools = self.wire.tools.get(&request.tools, write)?;
        let vendor = self.endpoint.vendor();
        let call = Call { vendor, model, request, operation, tools: &tools };
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
        let Self { dialect, endpoint, wire } = self;
        let body = request.map(|request| self.body(request, operation)).transpose()?;
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
            Some(tokens) => Some(tokens.token().await?),
            None => None,
        };
        if let Some(token) = &token {
            let (name, value) = KeyIn::Bearer.header(token)?;
            headers.insert(name, value);
            secrets = secrets.and([token.expose()]);
        }
        endpoint.add_custom_headers(&mut headers)?;
        let signer =
            if endpoint.is_authenticated() { None } else { dialect.signer(endpoint).await? };
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
            let error = dialect.error(&head, body).with_status(status);
            with_request_id(error, request_id(headers).as_deref())
        };
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let signer = signer.as_deref();
        let outgoing = Outgoing { method, url, headers, body, signer, deadline };
        match send(&endpoint.http, &connection.sender, outgoing, &secrets, &explain).await {
            Ok(response) => {
                let request_id = request_id(response.headers());
                Ok(Answer { response, secrets, request_id })
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
        let result = decoder.complete(&body, &mut reply);
        answer.shown(result)?;
        Ok(reply.into_completion())
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
            let answer = self.send(Operation::Stream, Some(&request), None, deadline).await?;
            let kind = content_type(&answer.response);
            if kind == D::Framing::CONTENT_TYPE {
                let Answer { response, secrets, request_id } = answer;
                let head = self.head(response.status().as_u16(), response.headers());
                let decoder = self.dialect.decoder(&head, Some(&request));
                let incoming =
                    Incoming::<D::Decoder, D::Framing>::new(response, decoder, secrets, request_id);
                Ok(CompletionStream::accumulating(incoming.with_deadline(deadline)))
            } else if kind == "application/json" {
                // A server that does not stream sends a complete reply.
                Ok(CompletionStream::from_completion(self.complete(answer, &request).await?))
            } else {
                answer.shown(Err(malformed(&format!(
                    "an event stream was requested, but the content type is `{kind}`"
                ))))
            }
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

    fn for_model(&self, model: &str) -> Result<Arc<dyn Provider>, ProviderError> {
        Ok(Arc::new(self.clone().with_model(model)))
    }
}
