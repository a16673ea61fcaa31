//! The credential chain of the AWS SDK, over the HTTP client of this library.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_types::region::Region;
use reqwest::Client;

use crate::http::client_with;

/// The maximum size of a response. Credentials are a few kilobytes.
const MAX_BODY: usize = 1 << 20;

/// Returns the chain, configured from environment variables and the shared files.
pub(super) async fn provider(
    region: Option<&str>,
    profile: Option<&str>,
) -> SharedCredentialsProvider {
    let client = http_client_fn(|settings, _| SharedHttpConnector::new(Connector::new(settings)));
    let config = ProviderConfig::default().with_http_client(client);
    let mut chain = DefaultCredentialsChain::builder().configure(config);
    chain.set_region(region.map(|region| Region::new(region.to_owned())));
    if let Some(profile) = profile {
        chain = chain.profile_name(profile);
    }
    SharedCredentialsProvider::new(chain.build().await)
}

/// Sends the requests of the SDK with the timeouts that it sets. Redirects are not followed: a
/// request may carry a token of the machine.
#[derive(Debug)]
struct Connector(Result<Client, String>);

impl Connector {
    fn new(settings: &HttpConnectorSettings) -> Self {
        let client = client_with(settings.connect_timeout(), settings.read_timeout());
        Self(client.map_err(|error| error.message().to_owned()))
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let client = client.map_err(|error| ConnectorError::user(error.into()))?;
            send(&client, request).await
        })
    }
}

async fn send(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(|body| body.bytes().map(<[u8]>::to_vec).unwrap_or_default());
    let request =
        reqwest::Request::try_from(request).map_err(|error| ConnectorError::user(error.into()))?;
    let failed = |error: reqwest::Error| {
        let timeout = error.is_timeout();
        let error = error.into();
        if timeout { ConnectorError::timeout(error) } else { ConnectorError::io(error) }
    };
    let mut response = client.execute(request).await.map_err(failed)?;
    let status = response.status().as_u16().try_into();
    let status = status.map_err(|error| ConnectorError::user(Box::new(error)))?;
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(ConnectorError::io("the response is longer than 1 MiB".into()));
        }
        body.extend_from_slice(&chunk);
    }
    let mut answer = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            answer.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    /// Starts a server that sends this head, or nothing at all. Returns its URL and the number of
    /// its connections.
    fn serve(head: Option<String>) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/credentials", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for mut connection in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                if let Some(head) = &head {
                    let mut request = [0; 1024];
                    let _ = connection.read(&mut request);
                    let _ = connection.write_all(head.as_bytes());
                }
                open.push(connection);
            }
        });
        (url, connections)
    }

    async fn get(url: &str, read_timeout: Duration) -> Result<HttpResponse, ConnectorError> {
        let settings = HttpConnectorSettings::builder().read_timeout(read_timeout).build();
        Connector::new(&settings).call(HttpRequest::get(url).unwrap()).await
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (other, connections) = serve(None);
        let head = format!("HTTP/1.1 307 Moved\r\nlocation: {other}\r\ncontent-length: 0\r\n\r\n");
        let (url, _) = serve(Some(head));
        let response = get(&url, Duration::from_secs(10)).await.unwrap();
        assert_eq!(response.status().as_u16(), 307);
        assert_eq!(connections.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn the_timeout_of_the_sdk_is_kept() {
        let (url, _) = serve(None);
        let start = Instant::now();
        let error = get(&url, Duration::from_millis(100)).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_long_response_is_an_error() {
        let body = "x".repeat(MAX_BODY + 1);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let (url, _) = serve(Some(head));
        assert!(get(&url, Duration::from_secs(10)).await.unwrap_err().is_io());
    }
}
